// Before the first paint, so that no page flashes in the wrong colours. Not a module for that reason.
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
