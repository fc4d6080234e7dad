// One message as an element that can be updated in place: an edit touches only what changed, so a playing video plays on.

import { formatted } from "/page/entities.js";

const KIND_NAMES = { photo: "Фото", video: "Видео", document: "Файл", voice: "Голосовое сообщение", sticker: "Стикер", location: "Место" };
const LARGEST = { width: 400, height: 560 };
const LEAST_WIDTH = 220;
const STICKER_WIDTH = 160;

/** A short line about a message, for lists and quotes. */
export function summary(view) {
  const kind = KIND_NAMES[view.kind];
  return [kind, view.text.replace(/\s+/g, " ")].filter(Boolean).join(" · ");
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("ru-RU", { hour: "2-digit", minute: "2-digit" });
}

function bytes(size) {
  if (size >= 1e6) return `${(size / 1048576).toFixed(1).replace(".", ",")} МБ`;
  return size >= 1000 ? `${Math.round(size / 1024)} КБ` : `${size} Б`;
}

function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Draws messages; `actions` has tap(message id, button, key element), say(text), copy(text) and find(message id). */
export class MessageElement {
  constructor(view, actions) {
    this.actions = actions;
    this.quote = make("span", "quote");
    this.media = make("div");
    this.body = make("div", "body");
    this.bubble = make("div", "bubble", this.quote, this.media, this.body);
    this.keys = make("div", "keys");
    this.root = make("article", "", this.bubble, this.keys);
    this.drawn = {};
    this.update(view);
  }

  update(view) {
    this.view = view;
    const marks = [!view.from_bot && "own", !view.text && "bare"];
    this.root.className = ["message", view.kind, ...marks].filter(Boolean).join(" ");
    this.root.ariaLabel = `${view.from_bot ? "Бот" : "Вы"}, ${clock(view.date)}`;
    this.redraw("quote", view.reply_to, () => this.drawQuote());
    this.redraw("media", [view.media?.file_id, view.extra], () => this.media.replaceChildren(...this.mediaNodes()));
    this.redraw("body", [view.text, view.entities, view.edited], () => this.drawBody());
    this.redraw("keys", view.buttons, () => this.drawKeys());
  }

  redraw(part, content, draw) {
    const wanted = JSON.stringify(content ?? null);
    if (this.drawn[part] === wanted) return;
    this.drawn[part] = wanted;
    draw();
  }

  drawQuote() {
    const original = this.view.reply_to && this.actions.find(this.view.reply_to);
    this.quote.hidden = !original;
    this.quote.textContent = original ? summary(original) : "";
  }

  drawBody() {
    const stamp = make("span", "stamp", (this.view.edited ? "изменено " : "") + clock(this.view.date));
    this.body.replaceChildren(...formatted(this.view.text, this.view.entities, this.actions.say), stamp);
  }

  mediaNodes() {
    const media = this.view.media;
    this.media.className = "";
    if (this.view.extra.location) return [this.place(this.view.extra.location)];
    if (!media) return [];
    if (media.kind === "photo" || media.kind === "sticker") return this.picture(media);
    if (media.kind === "video" && media.url) return this.video(media);
    return [this.file(media)];
  }

  // Reserves the right space before the bytes arrive, so that the log doesn't jump.
  frame(media) {
    const scale = Math.min(LARGEST.width / media.width, LARGEST.height / media.height, 1.5);
    const width = media.kind === "sticker" ? STICKER_WIDTH : Math.max(LEAST_WIDTH, Math.round(media.width * scale));
    this.media.className = "media";
    this.media.style.aspectRatio = `${media.width} / ${media.height}`;
    this.root.style.setProperty("--width", `${width}px`);
  }

  picture(media) {
    this.frame(media);
    const image = make("img");
    image.src = media.url;
    image.alt = this.view.text ? "" : KIND_NAMES[media.kind];
    const open = make("a", "", image);
    Object.assign(open, { href: media.url, target: "_blank", rel: "noopener", ariaLabel: "Открыть в полном размере" });
    return media.kind === "photo" ? [open] : [image];
  }

  video(media) {
    this.frame(media);
    const video = make("video");
    Object.assign(video, { src: media.url, controls: true, preload: "metadata", playsInline: true, ariaLabel: "Видео" });
    if (media.poster_url) video.poster = media.poster_url;
    return [video];
  }

  file(media) {
    const icon = make("span", "icon", media.kind === "voice" ? "♪" : "↓");
    if (media.poster_url) {
      const image = make("img");
      image.src = media.poster_url;
      image.alt = "";
      icon.replaceChildren(image);
    }
    const name = media.kind === "voice" ? "Голосовое сообщение" : media.file_name || "файл";
    const detail = media.kind === "voice" ? `${media.duration} с` : bytes(media.size);
    const file = make(media.url ? "a" : "div", "file", icon, make("b", "", name), make("small", "", detail));
    if (media.url) Object.assign(file, { href: media.url, download: media.file_name || "file" });
    return file;
  }

  place(location) {
    const text = `${location.latitude.toFixed(4)}, ${location.longitude.toFixed(4)}`;
    return make("div", "file", make("span", "icon", "📍"), make("b", "", "Место на карте"), make("small", "", text));
  }

  drawKeys() {
    this.keys.hidden = !this.view.buttons.length;
    this.keys.replaceChildren(...this.view.buttons.map((row) => make("div", "", ...row.map((button) => this.key(button)))));
  }

  key(button) {
    const className = ["key", button.style].filter(Boolean).join(" ");
    if (button.url) {
      const away = make("a", className, button.text, make("span", "out", "↗"));
      Object.assign(away, { href: button.url, target: "_blank", rel: "noopener noreferrer" });
      return away;
    }
    const key = make("button", className, button.text);
    key.type = "button";
    key.disabled = !("callback_data" in button || "copy_text" in button);
    if (button.copy_text) key.addEventListener("click", () => this.actions.copy(button.copy_text.text));
    else key.addEventListener("click", () => this.actions.tap(this.view.id, button, key));
    return key;
  }

  /** The bot answered a press under this message: its keys stop waiting. */
  answered() {
    for (const key of this.keys.querySelectorAll(".waiting")) key.classList.remove("waiting");
  }
}
