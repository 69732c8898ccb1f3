/** Start of the page. */

import { startActive } from "./active.js";
import { on } from "./bus.js";
import { find } from "./dom.js";
import { startForecast } from "./forecast.js";
import { startGates } from "./gates.js";
import { startLosses } from "./losses.js";
import { isForecaster, isWriter, startModels } from "./models.js";
import { startNext } from "./next.js";
import { startQuestion } from "./question.js";
import { startReport } from "./report.js";
import { startSettings } from "./settings.js";
import { startSteps } from "./steps.js";
import { startTabs } from "./tabs.js";
import { startTasks } from "./tasks.js";
import { startText } from "./text.js";
import { startTrace } from "./trace.js";
import { startUnit } from "./unit.js";
import { say } from "./messages.js";
import { startWrite } from "./write.js";

/** A text and a question are typed in the same place. */
function nameText() {
  const [name, hint] = isWriter()
    ? ["text", "typeHere"]
    : isForecaster()
      ? ["series", "seriesHere"]
      : ["question", "askHere"];
  find("textName").textContent = say(name);
  find("text").placeholder = say(hint);
  find("keys").hidden = !isWriter();
}

startSettings();
startTabs();
startText();
startQuestion();
startWrite();
startNext();
startUnit();
startTrace();
startActive();
startTasks();
startForecast();
startGates();
startSteps();
startLosses();
startReport();
on("model", nameText);
on("language", nameText);
startModels();
