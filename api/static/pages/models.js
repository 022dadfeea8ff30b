import { begin } from "/static/shell.js"; begin({});
