// The phone: shows one number's messages as they come, and sends texts from it.
// Texts are shown as text only; nothing leaves this page but to the SMSC it was served for.
"use strict";

const control = document.querySelector('meta[name="control"]').content || location.origin;
const el = (id) => document.getElementById(id);
const EXAMPLES = [
  ["4799999999", "an ordinary phone"],
  ["4798765432", "another one"],
  ["4740000001", "prepaid, no credit"],
  ["4741111001", "premium barred"],
];
const STATES = {
  waiting: "Waiting for the gateway",
  sent: "Sent",
  delivered: "Delivered",
  refused: "Refused by the gateway",
  received: "",
  undelivered: "Not delivered to the phone",
};
const LONGEST_WAIT_MS = 10000;

let number = "";
let socket = null;
let wait_ms = 500;
let shown = new Map();
let retry = 0;

const remember = (key, value) => { try { sessionStorage.setItem(key, value); localStorage.setItem(key, value); } catch { /* private window */ } };
const recall = (key) => { try { return sessionStorage.getItem(key) || localStorage.getItem(key); } catch { return null; } };

function digitsOf(text) {
  let digits = text.replace(/[\s()-]/g, "");
  digits = digits.startsWith("+") ? digits.slice(1) : digits.startsWith("00") ? digits.slice(2) : digits;
  if (/^[2-9]\d{7}$/.test(digits)) digits = "47" + digits;
  return /^[1-9]\d{7,14}$/.test(digits) ? digits : "";
}

function spoken(digits) {
  const norwegian = /^\+?47(\d{3})(\d{2})(\d{3})$/.exec(digits);
  return norwegian ? `+47 ${norwegian[1]} ${norwegian[2]} ${norwegian[3]}` : "+" + digits.replace("+", "");
}

function kroner(ore) {
  const whole = ore % 100 === 0;
  return (ore / 100).toLocaleString("nb-NO", whole ? {} : { minimumFractionDigits: 2 }) + " kr";
}

function clock(at) {
  const moment = new Date(at);
  const day = { timeZone: "Europe/Oslo", day: "numeric", month: "short" };
  const time = moment.toLocaleTimeString("en-GB", { timeZone: "Europe/Oslo", hour: "2-digit", minute: "2-digit" });
  const date = moment.toLocaleDateString("en-GB", day);
  return date === new Date().toLocaleDateString("en-GB", day) ? time : `${date} ${time}`;
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function cost(message) {
  if (message.direction === "mo") return null;
  if (!message.price_ore) return ["", "free"];
  if (message.billed === true) return ["price", `cost ${kroner(message.price_ore)}`];
  if (message.billed === false) return ["", `${kroner(message.price_ore)} not charged`];
  return ["price", `${kroner(message.price_ore)}, being charged`];
}

function fill(item, message) {
  item.className = `message ${message.direction} ${message.state}`;
  const about = make("div", "about");
  const who = message.direction === "mo" ? `You to ${message.to}` : message.from;
  about.append(make("span", "", who));
  const time = make("time", "", clock(message.at));
  time.dateTime = message.at;
  about.append(time);
  const price = cost(message);
  if (price) about.append(make("span", price[0], price[1]));
  if (STATES[message.state]) about.append(make("span", "state", STATES[message.state]));
  if (message.segments > 1) about.append(make("span", "", `${message.segments} segments`));
  item.replaceChildren(make("div", "bubble", message.text), about);
}

function show(message) {
  const box = el("scroll");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  let item = shown.get(message.id);
  if (!item) {
    item = make("li");
    shown.set(message.id, item);
    el("messages").append(item);
    learn(message.direction === "mo" ? message.to : message.from);
  }
  fill(item, message);
  el("empty").hidden = true;
  if (atEnd || message.direction === "mo") box.scrollTop = box.scrollHeight;
}

function learn(shortCode) {
  const list = el("short-codes");
  if (/^\d{2,15}$/.test(shortCode) && ![...list.children].some((one) => one.value === shortCode)) {
    const option = make("option");
    option.value = shortCode;
    list.append(option);
  }
}

function spent(ore) { el("spent").textContent = kroner(ore); }

function say(text, lost) {
  el("link").textContent = text;
  el("link").classList.toggle("lost", Boolean(lost));
}

function connect() {
  clearTimeout(retry);
  if (socket) { socket.onclose = null; socket.close(); }
  say("Connecting…");
  const mine = new WebSocket(`${control.replace(/^http/, "ws")}/phones/${number}/live`);
  socket = mine;
  mine.onmessage = (event) => {
    const news = JSON.parse(event.data);
    if (news.type === "phone") {
      wait_ms = 500;
      say("Connected");
      shown = new Map();
      el("messages").replaceChildren();
      el("empty").hidden = news.messages.length > 0;
      news.messages.forEach(show);
      el("scroll").scrollTop = el("scroll").scrollHeight;
    } else {
      show(news.message);
    }
    spent(news.spent_ore);
  };
  mine.onclose = () => {
    say("No contact with the operator. Trying again…", true);
    retry = setTimeout(connect, wait_ms);
    wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS);
  };
}

function use(digits) {
  number = digits;
  remember("number", digits);
  el("title").textContent = spoken(digits);
  el("number").value = spoken(digits);
  el("number-wrong").textContent = "";
  document.title = `Phone ${spoken(digits)}`;
  shown = new Map();
  el("messages").replaceChildren();
  el("empty").hidden = false;
  spent(0);
  listRecent();
  listPeople("examples", EXAMPLES);
  connect();
  if (matchMedia("(max-width: 799px)").matches) el("people").open = false;
}

function listPeople(id, people) {
  el(id).replaceChildren(...people.map(([digits, note]) => {
    const button = make("button");
    button.type = "button";
    button.append(make("span", "number", spoken(digits)), make("span", "note", note));
    button.setAttribute("aria-current", String(digits === number));
    button.addEventListener("click", () => { use(digits); el("text").focus(); });
    const item = make("li");
    item.append(button);
    return item;
  }));
}

async function listRecent() {
  let people = [];
  try {
    const answer = await fetch(`${control}/phones?limit=12`);
    if (!answer.ok) return;
    const phones = (await answer.json()).phones.filter((one) => one.messages > 0);
    people = phones.map((one) => [one.number.slice(1), one.spent_ore ? `spent ${kroner(one.spent_ore)}` : "nothing spent"]);
  } catch {
    return;
  }
  if (people.length) listPeople("recent", people);
  else el("recent").replaceChildren(make("li", "note", "None yet."));
}

const GSM = /^[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà^{}\\[~\]|€\f]*$/;

function countSegments() {
  const text = el("text").value;
  const gsm = GSM.test(text);
  const units = gsm ? text.length + (text.match(/[\^{}\\[~\]|€\f]/g) || []).length : text.length;
  const [whole, part] = gsm ? [160, 153] : [70, 67];
  const segments = units <= whole ? 1 : Math.ceil(units / part);
  el("count").textContent = text ? `${units} of ${segments === 1 ? whole : segments * part}` + (segments > 1 ? `, ${segments} segments` : "") : "";
}

async function send(event) {
  event.preventDefault();
  const text = el("text").value;
  const to = el("short-code").value.trim();
  if (!text || !number) return;
  el("send").disabled = true;
  el("send-wrong").textContent = "";
  try {
    const answer = await fetch(`${control}/mo`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ from: "+" + number, to, text }),
    });
    if (answer.ok) {
      remember("short-code", to);
      el("text").value = "";
      countSegments();
      listRecent();
    } else {
      el("send-wrong").textContent = (await answer.json()).detail || "The message was not taken.";
    }
  } catch {
    el("send-wrong").textContent = "The operator could not be reached; the message is still here, try again.";
  }
  el("send").disabled = false;
  el("text").focus();
}

el("compose").addEventListener("submit", send);
el("text").addEventListener("input", countSegments);
el("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    el("compose").requestSubmit();
  }
});
el("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const digits = digitsOf(el("number").value);
  if (digits) { use(digits); el("text").focus(); }
  else el("number-wrong").textContent = "Write a phone number, such as +47 999 99 999.";
});

const wide = matchMedia("(min-width: 800px)");
const settle = () => { el("people").open = wide.matches; };
wide.addEventListener("change", settle);
settle();
el("people").addEventListener("toggle", () => { if (el("people").open) listRecent(); });

el("short-code").value = recall("short-code") || "2030";
learn(el("short-code").value);
use(digitsOf(recall("number") || "") || EXAMPLES[0][0]);
