// What the person is about to send: the text field, picked files, and the menus beside it.

const LONGEST_ALBUM = 10;

const $ = (id) => document.getElementById(id);
let picked = [];
let actions = null;

function pick(files, asFile) {
  picked = [...files].slice(0, LONGEST_ALBUM);
  const allPhotos = picked.every((file) => file.type.startsWith("image/") || /\.hei[cf]$/i.test(file.name));
  $("as-file").checked = asFile || !allPhotos;
  $("as-file").disabled = !allPhotos;
  $("picked").hidden = !picked.length;
  $("picked-files").replaceChildren(...picked.map(pickedItem));
  $("text").placeholder = picked.length ? "Подпись" : "Сообщение";
  if (picked.length) $("text").focus();
}

function pickedItem(file) {
  const item = document.createElement("li");
  if (/^image\/(jpeg|png|webp|gif)$/.test(file.type)) {
    const image = document.createElement("img");
    image.src = URL.createObjectURL(file);
    image.alt = file.name;
    image.onload = () => URL.revokeObjectURL(image.src);
    item.append(image);
  } else {
    const name = document.createElement("span");
    name.textContent = file.name;
    item.append(name);
  }
  return item;
}

async function sendPicked(caption) {
  const files = picked;
  const kind = $("as-file").checked ? "document" : "photo";
  pick([], false);
  const batches = kind === "photo" && files.length > 1 ? [files] : files.map((file) => [file]);
  for (const [number, batch] of batches.entries()) {
    const form = new FormData();
    for (const file of batch) form.append(kind, file, file.name);
    if (number === 0) form.append("caption", caption);
    await actions.act(batch.length > 1 ? "album" : kind, form);
  }
}

async function send() {
  const text = $("text").value.trim();
  if (!text && !picked.length) return;
  $("text").value = "";
  growText();
  const done = await (picked.length ? sendPicked(text) : actions.say(text));
  // Refused: what was written must not be lost.
  if (done === null && !$("text").value) $("text").value = text;
}

function growText() {
  const box = $("text");
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}

export function closeMenu() {
  $("menu").hidden = true;
  for (const id of ["attach", "commands"]) $(id).ariaExpanded = "false";
}

function openMenu(owner, entries) {
  const wasOpen = $(owner).ariaExpanded === "true";
  closeMenu();
  if (wasOpen) return;
  $("menu").replaceChildren(...entries.map(([title, detail, run]) => {
    const button = document.createElement("button");
    const small = document.createElement("small");
    small.textContent = detail;
    Object.assign(button, { type: "button", role: "menuitem", onclick: () => { closeMenu(); run(); } });
    button.append(title, small);
    return button;
  }));
  $("menu").hidden = false;
  $(owner).ariaExpanded = "true";
  $("menu").querySelector("button")?.focus();
}

const ATTACHMENTS = [
  ["Фото", "как фото, сжимается до 1280 точек", () => $("pick-photo").click()],
  ["Файл", "без сжатия", () => $("pick-file").click()],
  ["Стикер", "", () => actions.act("sticker")],
  ["Голосовое", "3 секунды тишины", () => actions.act("voice")],
  ["Место", "Красная площадь", () => actions.act("location")],
];

/** Wires the composer; `given` has act(what, body), say(text) and commands(), a promise of the bot's commands. */
export function wireComposer(given) {
  actions = given;
  $("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("text").addEventListener("input", growText);
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
  });
  $("text").addEventListener("paste", (event) => event.clipboardData.files.length && pick(event.clipboardData.files, false));
  $("attach").addEventListener("click", () => openMenu("attach", ATTACHMENTS));
  $("commands").addEventListener("click", async () => {
    const entries = (await actions.commands()).map(({ command, description }) => [`/${command}`, description]);
    openMenu("commands", entries.map(([title, detail]) => [title, detail, () => actions.say(title)]));
  });
  $("pick-photo").addEventListener("change", ({ target }) => { pick(target.files, false); target.value = ""; });
  $("pick-file").addEventListener("change", ({ target }) => { pick(target.files, true); target.value = ""; });
  $("unpick").addEventListener("click", () => pick([], false));
  const chat = document.querySelector(".chat");
  chat.addEventListener("dragover", (event) => event.preventDefault());
  chat.addEventListener("drop", (event) => { event.preventDefault(); pick(event.dataTransfer.files, false); });
}

