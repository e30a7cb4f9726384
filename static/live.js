// The open board, live: new notes are pinned up, and others taken down. Without this script the page shows them when it is
// loaded again, and works.
"use strict";

const { live, newest } = document.currentScript.dataset;
const list = document.querySelector(".notes");
const count = document.querySelector("[data-count]");
const blank = document.querySelector("#new-note");

const find = (id) => list.querySelector(`[data-id="${Number(id)}"]`);

function countOn(change) {
  const number = Number(count.dataset.count) + change;
  count.dataset.count = number;
  count.textContent = number === 1 ? "One note" : `${number} notes`;
}

function makeNote(note) {
  const item = blank.content.firstElementChild.cloneNode(true);
  const [link, excerpt, avatar, author, time] = ["a", ".excerpt", ".avatar", ".author", "time"].map((selector) => item.querySelector(selector));
  item.dataset.id = note.id;
  item.classList.add(`tint-${note.id % 5}`);
  link.href = note.page;
  link.textContent = note.title;
  excerpt.textContent = note.text;
  avatar.textContent = [...note.author][0].toUpperCase();
  author.textContent = note.author;
  time.dateTime = note.posted_at;
  time.title = new Date(note.posted_at).toLocaleString();
  return item;
}

function pinUp(event) {
  const note = JSON.parse(event.data);
  // What the page has may come again, after a restart of the server.
  if (note.id <= Number(newest) || (list && find(note.id))) return;
  if (!list) {
    location.reload(); // the board was empty
    return;
  }
  list.prepend(makeNote(note));
  countOn(+1);
}

function takeDown(event) {
  const item = list && find(JSON.parse(event.data).id);
  if (!item) return;
  item.remove();
  countOn(-1);
  if (!list.children.length) location.reload();
}

// The browser comes back by itself when the connection is lost, and says which note was its last.
const source = new EventSource(live);
source.addEventListener("pinned", pinUp);
source.addEventListener("gone", takeDown);
