"""HTML reports: self-contained pages with the verdict first, then plots and tables.

`page.page` renders one result, `history.page` the trends of many, `readme.tables` the documentation's tables. A
page names the photos that differ most, and shows them only if it receives their pixels.
"""
