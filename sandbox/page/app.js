// The chat page: who is there, which chat is open, what is being written. One long poll brings everything that happens.

import { closeMenu, wireComposer } from "/page/composer.js";
import { clock, MessageElement, summary } from "/page/messages.js";

const API = "/sandbox/telegram";
const NAMES = ["Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Захар", "Ирина", "Кирилл"];
const ACTIONS = { typing: "печатает…", upload_video: "загружает видео…", upload_photo: "загружает фото…", record_video: "снимает видео…", upload_document: "загружает файл…" };
const ACTION_MS = 5000;
const SPINNER_MS = 15000;

const $ = (id) => document.getElementById(id);
const people = new Map();
let open = null; // the person whose chat is shown
let elements = new Map(); // message id → MessageElement, of the open chat
let lastDay = "";
let actionTimer = 0;

async function call(method, path, body) {
  const isForm = body instanceof FormData;
  const options = { method, body: isForm ? body : body && JSON.stringify(body) };
  if (body && !isForm) options.headers = { "Content-Type": "application/json" };
  const answer = await fetch(path, options);
  const result = await answer.json();
  if (!answer.ok) throw new Error(result.error ?? `ошибка ${answer.status}`);
  return result;
}

/** Runs an action of the person and shows why it failed, if it did. */
async function act(what, body = {}) {
  try {
    return await call("POST", `${API}/chats/${open.id}/${what}`, body);
  } catch (error) {
    toast(error.message);
    return null;
  }
}

function toast(text) {
  const shown = document.createElement("div");
  shown.className = "toast";
  shown.textContent = text;
  $("toasts").append(shown);
  setTimeout(() => shown.remove(), 3500);
}

function alertText(text) {
  $("alert-text").textContent = text;
  if (!$("alert").open) $("alert").showModal();
}

/* People */

function personItem(person) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  const [avatar, name, time, last, unread] = ["span", "strong", "time", "span", "span"].map((tag) => document.createElement(tag));
  link.href = `#${person.id}`;
  avatar.className = "avatar";
  avatar.style.setProperty("--hue", (person.id * 67) % 360);
  avatar.textContent = person.first_name.slice(0, 1);
  avatar.ariaHidden = "true";
  name.textContent = person.first_name;
  time.textContent = person.last ? clock(person.last.date) : "";
  last.className = "last";
  last.textContent = person.blocked ? "бот заблокирован" : person.last ? (person.last.from_bot ? "" : "Вы: ") + summary(person.last) : "чат не начат";
  unread.className = person.unread ? "unread" : "";
  unread.textContent = person.unread || "";
  if (person.unread) unread.ariaLabel = `непрочитанных: ${person.unread}`;
  link.append(avatar, name, time, last, unread);
  if (open?.id === person.id) link.ariaCurrent = "true";
  item.append(link);
  return item;
}

function drawPeople() {
  const order = [...people.values()].sort((a, b) => (b.last?.date ?? b.id / 1e9) - (a.last?.date ?? a.id / 1e9));
  $("people").replaceChildren(...order.map(personItem));
}

async function addPerson(name, language) {
  const person = await call("POST", `${API}/users`, { first_name: name, language_code: language });
  people.set(person.id, { ...person, started: false, blocked: false, last: null, unread: 0 });
  location.hash = person.id;
}

async function loadPeople() {
  const { users, bot, last } = await call("GET", `${API}/users`);
  for (const user of users) people.set(user.id, { ...user, unread: people.get(user.id)?.unread ?? 0 });
  $("bot-name").textContent = bot.first_name;
  return last;
}

async function loadBot() {
  const { bot, commands, texts } = await call("GET", `${API}/bot`);
  $("bot-name").textContent = bot.first_name;
  $("description").textContent = texts["description/ru"] ?? texts["description/"] ?? "Нажмите «Запустить», и бот ответит.";
  const language = open?.language_code ?? "";
  const scopes = open ? [`chat:${open.id}`, "all_private_chats", "default"] : ["default"];
  const found = scopes.flatMap((scope) => [commands[`${scope}/${language}`], commands[`${scope}/`]]).find((list) => list?.length);
  return found ?? [];
}

/* The open chat */

async function openChat() {
  const person = people.get(Number(location.hash.slice(1)));
  document.body.classList.toggle("open", Boolean(person));
  open = person ?? null;
  if (!person) return drawPeople();
  person.unread = 0;
  const { messages, keyboard, started, blocked } = await call("GET", `${API}/chats/${person.id}/messages`);
  if (open !== person) return undefined; // another chat was opened meanwhile
  Object.assign(person, { started, blocked });
  elements = new Map();
  lastDay = "";
  $("log").replaceChildren();
  for (const view of messages) addMessage(view, false);
  drawReplyKeyboard(keyboard);
  drawState();
  drawPeople();
  toEnd();
  $("commands").hidden = !(await loadBot()).length;
  return undefined;
}

function drawState() {
  const { started, blocked } = open;
  $("welcome").hidden = started || elements.size > 0;
  $("start").hidden = started || blocked;
  $("unblock").hidden = !blocked;
  $("composer").hidden = blocked || !started;
  $("block").hidden = blocked || !started;
}

function addMessage(view, isNew) {
  const known = elements.get(view.id);
  if (known) return known.update(view);
  const day = new Date(view.date * 1000).toLocaleDateString("ru-RU", { day: "numeric", month: "long" });
  if (day !== lastDay) {
    lastDay = day;
    const mark = document.createElement("div");
    mark.className = "day";
    mark.textContent = day;
    $("log").append(mark);
  }
  const element = new MessageElement(view, { tap, say, copy, find: (id) => elements.get(id)?.view });
  if (isNew) element.root.classList.add("new");
  elements.set(view.id, element);
  placeFor(view).append(element.root);
  return undefined;
}

/** Where a new message goes: into the album it belongs to, or to the end of the log. */
function placeFor({ group, from_bot: fromBot }) {
  const log = $("log");
  if (!group) return log;
  if (log.lastElementChild?.dataset.group === group) return log.lastElementChild;
  const album = document.createElement("div");
  album.className = fromBot ? "album" : "album own";
  album.dataset.group = group;
  log.append(album);
  return album;
}

function isAtEnd() {
  const box = $("scroll");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 120;
}

function toEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function drawReplyKeyboard(keyboard) {
  const rows = keyboard?.keyboard ?? [];
  $("reply-keyboard").hidden = !rows.length;
  $("reply-keyboard").className = "keys";
  $("reply-keyboard").replaceChildren(...rows.map((row) => {
    const line = document.createElement("div");
    line.append(...row.map(({ text }) => {
      const key = document.createElement("button");
      Object.assign(key, { type: "button", className: "key", textContent: text, onclick: () => say(text) });
      return key;
    }));
    return line;
  }));
}

function showAction(action) {
  clearTimeout(actionTimer);
  const text = ACTIONS[action];
  $("status").textContent = text ?? "бот";
  $("status").classList.toggle("busy", Boolean(text));
  if (text) actionTimer = setTimeout(showAction, ACTION_MS);
}

/* What happens */

const HANDLERS = {
  message: ({ message }) => { showAction(); addMessage(message, true); },
  user_message: ({ message }) => { open.started = true; addMessage(message, true); },
  user_edit: ({ message }) => addMessage(message, false),
  edit: ({ message }) => addMessage(message, false),
  delete: ({ message_id: id }) => { elements.get(id)?.root.remove(); elements.delete(id); },
  keyboard: ({ keyboard }) => drawReplyKeyboard(keyboard),
  action: ({ action }) => showAction(action),
  callback_answer: ({ message_id: id, text, alert }) => {
    elements.get(id)?.answered();
    if (text) (alert ? alertText : toast)(text);
  },
  blocked: () => { open.blocked = true; },
  unblocked: () => { open.blocked = false; },
};

function noteInList(event) {
  const person = people.get(event.chat_id);
  if (!person) return false;
  if (event.message && event.kind !== "edit") person.last = event.message;
  if (event.kind === "message" && person !== open) person.unread += 1;
  if (event.kind.endsWith("blocked")) person.blocked = event.kind === "blocked";
  return true;
}

async function receive(events) {
  if (events.some((event) => !noteInList(event))) await loadPeople();
  const stay = isAtEnd();
  const mine = events.filter((event) => event.chat_id === open?.id);
  for (const event of mine) HANDLERS[event.kind]?.(event);
  if (mine.length) {
    drawState();
    if (stay || mine.some((event) => event.kind === "user_message")) toEnd();
    else $("to-end").hidden = isAtEnd();
  }
  drawPeople();
}

async function follow(after) {
  for (;;) {
    try {
      const { events, last } = await call("GET", `${API}/events?after=${after}&wait=25`);
      after = last;
      await receive(events);
    } catch {
      await comeBack();
    }
  }
}

/** Waits until the sandbox answers again, and starts over: a restarted one has forgotten this chat. */
async function comeBack() {
  $("offline").hidden = false;
  for (let pause = 500; ; pause = Math.min(pause * 2, 4000)) {
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    const healthy = await call("GET", "/sandbox/health").catch(() => null);
    if (healthy) return location.reload();
  }
}

/* What the person does */

function say(text) {
  return act("text", { text });
}

async function tap(messageId, button, key) {
  key.classList.add("waiting");
  setTimeout(() => key.classList.remove("waiting"), SPINNER_MS);
  if (!(await act("tap", { message_id: messageId, data: button.callback_data }))) key.classList.remove("waiting");
}

async function copy(text) {
  await navigator.clipboard.writeText(text);
  toast("Скопировано");
}

function wirePage() {
  window.addEventListener("hashchange", openChat);
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenu());
  document.addEventListener("click", (event) => event.target.closest("#menu, #attach, #commands") || closeMenu());
  $("start").addEventListener("click", () => say("/start"));
  $("block").addEventListener("click", () => act("block"));
  $("unblock").addEventListener("click", () => act("unblock"));
  $("scroll").addEventListener("scroll", () => { if (isAtEnd()) $("to-end").hidden = true; });
  $("to-end").addEventListener("click", toEnd);
  $("speed").addEventListener("change", ({ target }) => call("PUT", "/sandbox/time_scale", { time_scale: Number(target.value) }));
  $("add-person").addEventListener("click", () => {
    $("person-name").value = NAMES[people.size % NAMES.length];
    $("person").showModal();
  });
  $("person").addEventListener("close", () => {
    if ($("person").returnValue === "ok") addPerson($("person-name").value.trim(), $("person-language").value);
  });
}

async function showSpeed() {
  const { time_scale: scale } = await call("GET", "/sandbox/time_scale");
  if (![...$("speed").options].some((option) => Number(option.value) === scale)) {
    $("speed").append(new Option(`×${scale}`, scale));
  }
  $("speed").value = scale;
}

async function main() {
  wireComposer({ act, say, commands: loadBot });
  wirePage();
  await showSpeed();
  const last = await loadPeople();
  if (!people.size) await addPerson(NAMES[0], "ru");
  else if (!people.has(Number(location.hash.slice(1))) && matchMedia("(min-width: 721px)").matches) location.hash = [...people.keys()].at(-1);
  await openChat();
  follow(last);
}

main();
