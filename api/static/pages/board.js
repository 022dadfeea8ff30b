// The board.

import { View } from "/static/board_rows.js";
import { begin, oddsFormat, state } from "/static/shell.js";

const view = new View();

begin({ render: () => state.rules && view.render(state, oddsFormat()) });
