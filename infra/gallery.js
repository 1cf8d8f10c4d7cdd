
"use strict";
const cards = [...document.querySelectorAll("article")];
const buttons = [...document.querySelectorAll("[data-status]:not(article)")];
const search = document.getElementById("search");
const shown = document.getElementById("shown");
const none = document.getElementById("none");
let status = "";

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const card of cards) {
    const fits = (!status || card.dataset.status === status) && words.every((word) => card.dataset.words.includes(word));
    card.hidden = !fits;
    if (fits) count += 1;
    else card.querySelector("video")?.pause();
  }
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.status === status));
  shown.textContent = count === cards.length ? "" : `${count} of ${cards.length} shown`;
  if (cards.length) none.hidden = count > 0;
}

// What nobody has scrolled to is not asked for: hundreds of videos would be hundreds of requests.
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    if (target.dataset.poster) target.poster = target.dataset.poster;
    else target.preload = "metadata";
  }
}, { rootMargin: "300px" });

function say(video, text) {
  const line = document.createElement("p");
  line.textContent = text;
  video.replaceWith(line);
}

for (const video of document.querySelectorAll("video")) {
  near.observe(video);
  video.addEventListener("error", () => say(video, Date.now() / 1000 < ends
    ? "Nothing to see here any more: the object is gone, or the login that made this page has ended."
    : "This link has ended. Make a new page: make gallery"));
  video.addEventListener("play", () => {
    for (const other of document.querySelectorAll("video")) if (other !== video) other.pause();
  });
}

const notice = document.getElementById("notice");
const ends = Number(notice.dataset.ends);
setTimeout(() => {
  notice.classList.add("over");
  notice.textContent = "The links in this page have ended. Make a new one: make gallery";
}, Math.max(0, ends * 1000 - Date.now()));

for (const button of buttons) button.addEventListener("click", () => { status = button.dataset.status; filter(); });
search.addEventListener("input", filter);
document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== search && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && document.activeElement === search) {
    search.value = "";
    filter();
  }
});
document.getElementById("tools").hidden = false;
filter();
