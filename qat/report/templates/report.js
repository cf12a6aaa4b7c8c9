"use strict";
const all = (query, from = document) => [...from.querySelectorAll(query)];
const root = document.documentElement, thumbs = all(".thumb"), pictures = all(".picture");

document.getElementById("theme").addEventListener("click", () => {
  const dark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = dark ? "light" : "dark";
});

function choose(index) {
  thumbs.forEach((thumb, i) => thumb.setAttribute("aria-pressed", String(i === index)));
  pictures.forEach((picture, i) => picture.classList.toggle("chosen", i === index));
}

function lay() {
  for (const side of ["left", "right"]) {
    const key = document.querySelector(`input[name="${side}"]:checked`).value;
    all(".frame figure").forEach((figure) => figure.classList.toggle(side, figure.dataset.layer === key));
  }
}

function split(frame, percent) {
  const range = frame.querySelector(".split");
  range.value = percent;
  range.setAttribute("aria-valuetext", `${range.value} %`);
  frame.style.setProperty("--split", `${range.value}%`);
}

function follow(frame) {
  const move = (event) => {
    const place = frame.getBoundingClientRect();
    split(frame, 100 * (event.clientX - place.left) / place.width);
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    frame.querySelector(".split").focus({ preventScroll: true });
    event.preventDefault();
    move(event);
  });
  frame.addEventListener("pointermove", (event) => { if (frame.hasPointerCapture(event.pointerId)) move(event); });
  frame.querySelector(".split").addEventListener("input", (event) => split(frame, event.target.value));
}

thumbs.forEach((thumb, index) => thumb.addEventListener("click", () => choose(index)));
all(".pick input").forEach((input) => input.addEventListener("change", lay));
all(".frame").forEach(follow);
if (pictures.length) lay();
