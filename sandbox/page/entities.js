// Formatted text as DOM nodes. Text only ever becomes text nodes: nothing a bot or a person wrote is parsed as HTML.

const PLAIN_TAGS = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code" };
const SAFE_LINK = /^(https?|mailto|tg|tel):/i;

/** Nodes for `text` with Bot API entities; offsets count UTF-16 units, as JavaScript strings do. */
export function formatted(text, entities, onCommand) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return nodes(text, sorted, 0, text.length, onCommand);
}

function nodes(text, entities, start, end, onCommand) {
  const made = [];
  let at = start;
  for (let i = 0; i < entities.length; i += 1) {
    const entity = entities[i];
    const stop = Math.min(entity.offset + entity.length, end);
    if (entity.offset < at) continue;
    if (entity.offset > at) made.push(text.slice(at, entity.offset));
    // What lies within this entity is drawn inside it; the loop then skips it, because it starts before `at`.
    const inner = entities.slice(i + 1).filter((other) => other.offset < stop);
    const element = elementFor(entity, text.slice(entity.offset, stop), onCommand);
    element.prepend(...nodes(text, inner, entity.offset, stop, onCommand));
    made.push(element);
    at = stop;
  }
  if (at < end) made.push(text.slice(at, end));
  return made;
}

function elementFor(entity, text, onCommand) {
  if (entity.type in PLAIN_TAGS) return document.createElement(PLAIN_TAGS[entity.type]);
  if (entity.type === "pre") return document.createElement("pre");
  if (entity.type === "text_link") return link(entity.url);
  if (entity.type === "url") return link(/^\w+:/.test(text) ? text : `http://${text}`);
  if (entity.type === "email") return link(`mailto:${text}`);
  if (entity.type === "bot_command") return command(text, onCommand);
  if (entity.type === "spoiler") return spoiler();
  if (entity.type === "blockquote") return document.createElement("blockquote");
  if (entity.type === "expandable_blockquote") return foldedQuote(text);
  const tag = document.createElement("span");
  tag.className = "tag";
  return tag;
}

function link(address) {
  const full = /^[a-z][a-z0-9+.-]*:/i.test(address) ? address : `http://${address}`;
  const element = document.createElement("a");
  if (SAFE_LINK.test(full)) element.href = full;
  element.target = "_blank";
  element.rel = "noopener noreferrer";
  return element;
}

function command(text, onCommand) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "command";
  element.addEventListener("click", () => onCommand(text));
  return element;
}

function spoiler() {
  const element = document.createElement("span");
  element.className = "spoiler";
  element.tabIndex = 0;
  element.role = "button";
  element.ariaLabel = "Скрытый текст, открыть";
  const open = () => {
    element.classList.add("open");
    element.removeAttribute("role");
    element.removeAttribute("aria-label");
  };
  element.addEventListener("click", open);
  element.addEventListener("keydown", (event) => event.key === "Enter" && open());
  return element;
}

function foldedQuote(text) {
  const quote = document.createElement("blockquote");
  if (text.split("\n").length <= 3 && text.length < 160) return quote;
  const unfold = document.createElement("button");
  unfold.type = "button";
  unfold.className = "unfold";
  unfold.textContent = "показать всё";
  unfold.addEventListener("click", () => {
    quote.classList.remove("folded");
    unfold.remove();
  });
  quote.classList.add("folded");
  quote.append(unfold);
  return quote;
}
