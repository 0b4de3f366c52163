"""A result as one page that needs nothing but itself: the verdict first, then plots, then tables.

`page.page` renders one result, `history.page` many. A page names photos, and shows them if it was given their pixels.
"""
