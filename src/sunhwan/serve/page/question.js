/** What a model is asked: the text, and the further columns of one that reads several. */

import { on, tell } from "./bus.js";
import { element, find } from "./dom.js";
import { chosen, isWriter } from "./models.js";
import { typed } from "./text.js";

const fields = () => [...find("columns").querySelectorAll("textarea")];

/** The parts of the question, the first of which is the text. */
export const parts = () => [typed(), ...fields().map((field) => field.value)];

/** The parts in one line, as a file of questions has them. */
export const question = () => (isWriter() ? typed() : parts().join("\t"));

export function startQuestion() {
  on("model", () => {
    const columns = isWriter() ? [] : (chosen()?.inputs ?? []);
    find("firstColumn").textContent = columns.length > 1 ? columns[0] : "";
    find("columns").replaceChildren(
      ...columns
        .slice(1)
        .map((name) =>
          element(
            "label",
            { class: "column" },
            element("bdi", {}, name),
            element("textarea", { rows: 2, spellcheck: "false", oninput: () => tell("text") }),
          ),
        ),
    );
  });
}
