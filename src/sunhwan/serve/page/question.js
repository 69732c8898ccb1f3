/** Question to a model: the text, and the further columns of one that reads several. */

import { on, tell } from "./bus.js";
import { element, find } from "./dom.js";
import { chosen, isForecaster, isWriter } from "./models.js";
import { typed } from "./text.js";
import { say } from "./messages.js";

/** The name of a column, in the reader's language where the file need not name it. */
const columnName = (name) => (["passage", "question"].includes(name) ? say(name) : name);
const fields = () => [...find("columns").querySelectorAll("textarea")];

/** The parts of the question, the first of which is the text. */
export const parts = () => [typed(), ...fields().map((field) => field.value)];

/** The parts in one line, as a file of questions has them. */
export const question = () => (isWriter() ? typed() : parts().join("\t"));

/** What the text holds, where that is not plain: of several columns the first, or all of a series. */
function nameColumns() {
  const names = isWriter() ? [] : (chosen()?.inputs ?? []).map(columnName);
  const all = names.length ? say("columnsRead", { names: names.join(", ") }) : "";
  find("firstColumn").textContent = isForecaster() ? all : names.length > 1 ? names[0] : "";
  for (const [k, one] of find("columns").querySelectorAll("bdi").entries()) one.textContent = names[k + 1];
}

export function startQuestion() {
  on("language", nameColumns);
  on("model", () => {
    const columns = isWriter() || isForecaster() ? [] : (chosen()?.inputs ?? []);
    find("columns").replaceChildren(
      ...columns
        .slice(1)
        .map(() =>
          element(
            "label",
            { class: "column" },
            element("bdi", {}),
            element("textarea", { rows: 2, spellcheck: "false", oninput: () => tell("text") }),
          ),
        ),
    );
    nameColumns();
  });
}
