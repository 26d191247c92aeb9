/** Starts the page's parts, and keeps them up to date. */

import * as account from "./account.js";
import * as cleanup from "./cleanup.js";
import * as diagram from "./diagram.js";
import * as migration from "./migration.js";
import * as puzzel from "./puzzel.js";
import * as story from "./story.js";

/** Time between two polls for new calls, in milliseconds. */
const PACE = 300;

async function keepUp() {
  try {
    if (!document.hidden && (await diagram.show())) await cleanup.show();
  } catch {
    // The stack may be restarting: poll again later.
  }
  setTimeout(keepUp, PACE);
}

diagram.start();
account.start();
puzzel.start();
cleanup.start();
migration.start();
story.start();
keepUp();
