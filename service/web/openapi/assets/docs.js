// The address of the service as the browser reaches it, for the examples: a proxy may have its own host and path.
"use strict";
const address = new URL(".", location.href).href.replace(/\/$/, "");
for (const place of document.querySelectorAll(".address")) place.textContent = address;
