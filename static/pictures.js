// The progress bar of the pictures. Without this script the form is sent as any other, and works.
"use strict";

const form = document.querySelector("form.hanging");
const [box, bar, words] = [".on-its-way", "progress", "output"].map((selector) => form.querySelector(selector));
const fault = form.querySelector(".error");
const button = form.querySelector("button");

const sayMiB = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function refuse(message) {
  box.hidden = true;
  button.disabled = false;
  fault.textContent = message;
  form.elements.picture.focus();
}

function showProgress(event) {
  bar.value = event.loaded / event.total;
  const isSent = event.loaded === event.total;
  words.textContent = isSent ? "Hanging it up…" : `${sayMiB(event.loaded)} of ${sayMiB(event.total)}`;
}

function finish(request) {
  const answer = request.response ?? {};
  if (request.status === 201) location.assign(answer.location);
  else refuse(answer.detail ?? "It did not arrive. Please try again.");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.elements.picture.files[0].size > Number(form.dataset.mostBytes)) {
    refuse(`That picture is larger than ${sayMiB(Number(form.dataset.mostBytes))}.`);
    return;
  }
  fault.textContent = "";
  button.disabled = true;
  box.hidden = false;
  const request = new XMLHttpRequest(); // fetch() does not tell how far it is
  request.upload.addEventListener("progress", showProgress);
  request.addEventListener("load", () => finish(request));
  request.addEventListener("error", () => refuse("The connection was lost. Please try again."));
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.send(new FormData(form));
});
