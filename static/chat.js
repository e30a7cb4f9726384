// The chat: one WebSocket, which comes back by itself. All that others have said is shown as text, never as HTML.
"use strict";

const box = document.querySelector(".chat");
const [state, people, said, nothing, form] = [".chat-state", ".chat-people", ".said", ".nothing-said", "form"].map(
  (selector) => box.querySelector(selector),
);
const fault = form.querySelector(".error");
const button = form.querySelector("button");
const address = new URL(box.dataset.talk, location.href);
address.protocol = address.protocol.replace("http", "ws");

const KEPT = 200; // messages on the page
let socket = null;
let timer = null;
let failures = 0;
let newest = 0;

// A private window may keep nothing.
const remember = (name) => { try { localStorage.setItem("chat-name", name); } catch {} };
const recall = () => { try { return localStorage.getItem("chat-name") ?? ""; } catch { return ""; } };

function show(message) {
  if (message.id <= newest) return; // said before the connection was lost
  newest = message.id;
  const item = document.createElement("li");
  const name = document.createElement("b");
  const words = document.createElement("span");
  const at = document.createElement("time");
  name.textContent = message.name;
  words.textContent = message.text;
  at.dateTime = message.at;
  at.textContent = new Date(message.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  for (const part of [name, words]) part.dir = "auto";
  item.append(name, " ", at, words);
  const isAtEnd = said.scrollHeight - said.scrollTop - said.clientHeight < 60;
  said.append(item);
  while (said.childElementCount > KEPT) said.firstElementChild.remove();
  nothing.hidden = true;
  if (isAtEnd) said.scrollTop = said.scrollHeight;
}

const handlers = {
  before: (event) => event.messages.forEach(show),
  said: (event) => show(event.message),
  people: (event) => { people.textContent = event.count === 1 ? "Only you are here." : `${event.count} are here.`; },
  refused: (event) => { fault.textContent = event.why; },
};

function connect() {
  clearTimeout(timer);
  timer = null;
  const opened = new WebSocket(address);
  socket = opened;
  opened.addEventListener("open", () => {
    failures = 0;
    state.textContent = "Connected.";
    button.disabled = false;
  });
  opened.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    handlers[told.kind]?.(told);
  });
  opened.addEventListener("close", () => {
    if (socket !== opened) return;
    socket = null;
    button.disabled = true;
    people.textContent = "";
    state.textContent = "The connection is lost; trying again…";
    // Later each time, and not all visitors in the same moment.
    const wait = Math.min(15_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
    failures += 1;
    timer = setTimeout(connect, wait);
  });
}

// Who comes back to the page, or to the network, does not wait.
function hurry() {
  if (timer !== null && document.visibilityState === "visible") connect();
}
addEventListener("online", hurry);
document.addEventListener("visibilitychange", hurry);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket?.readyState !== WebSocket.OPEN) return;
  const { name, text } = form.elements;
  fault.textContent = "";
  socket.send(JSON.stringify({ name: name.value, text: text.value }));
  remember(name.value);
  text.value = "";
  text.focus();
});

state.textContent = "Connecting…";
form.elements.name.value = recall();
connect();
