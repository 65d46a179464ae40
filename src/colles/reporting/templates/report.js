"use strict";
// The threshold slider: rates come from the thinned ROC curve, counts from the set's size, predictive values by Bayes' rule.
for (const box of document.querySelectorAll(".slider")) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const step = box.querySelector('[data-in="step"]');
  const prevalence = box.querySelector('[data-in="prevalence"]');
  const total = data.positives + data.negatives;
  const put = (name, text) => { box.querySelector(`[data-out="${name}"]`).textContent = text; };
  // With more decimals where these would claim 0 or all of what lies between.
  const between = (value, all, decimals) => {
    const text = value.toFixed(decimals);
    return decimals < 12 && value > 0 && value < all && [0, all].includes(Number(text)) ? between(value, all, decimals + 1) : text;
  };
  const rate = (value) => (Number.isFinite(value) ? `${between(100 * value, 100, 1)} %` : "undefined");
  const own = between(100 * data.positives / total, 100, 1);
  const whole = (value) => Math.round(value).toLocaleString("en");
  const dot = (name, x, y) => {
    const circle = box.querySelector(`[data-dot="${name}"]`);
    circle.style.display = Number.isFinite(y) ? "" : "none";
    if (Number.isFinite(y)) { circle.setAttribute("cx", 100 * x); circle.setAttribute("cy", 100 - 100 * y); }
  };
  const say = (sensitivity, fpr, share) => {
    const kinds = [share * sensitivity, share * (1 - sensitivity), (1 - share) * fpr];
    // Of so many that none of these rounds to nobody.
    const many = [1000, 10000, 100000].find((n) => kinds.every((each) => each === 0 || n * each >= 1)) ?? 1000000;
    const [ill, found, alarms] = [share, kinds[0], kinds[2]].map((each) => Math.round(many * each));
    return `Of ${whole(many)} such patients ${whole(ill)} have a fracture. The software calls ${whole(found + alarms)} fractured: ` +
      `${whole(found)} rightly and ${whole(alarms)} wrongly. It misses ${whole(ill - found)}.`;
  };
  const show = () => {
    const index = Number(step.value);
    const sensitivity = data.tpr[index], specificity = 1 - data.fpr[index];
    const tp = Math.round(sensitivity * data.positives), fp = Math.round(data.fpr[index] * data.negatives);
    const typed = Number(prevalence.value) / 100;
    const valid = typed > 0 && typed < 1;
    const share = valid && prevalence.value !== own ? typed : data.positives / total;
    prevalence.setAttribute("aria-invalid", String(!valid));
    put("invalid", valid ? "" : `Give a number above 0 and below 100. Until then it counts with this set's own share, ${own}.`);
    const threshold = data.thresholds[index];
    const text = threshold === null ? "above every score" : `score ≥ ${threshold > 0 && threshold < 0.00005 ? threshold.toPrecision(3) : between(threshold, 1, 4)}`;
    put("threshold", text);
    step.setAttribute("aria-valuetext", `${text}, sensitivity ${rate(sensitivity)}, specificity ${rate(specificity)}`);
    put("tp", whole(tp)); put("fn", whole(data.positives - tp));
    put("fp", whole(fp)); put("tn", whole(data.negatives - fp));
    put("sensitivity", rate(sensitivity)); put("specificity", rate(specificity));
    put("ppv", rate(sensitivity * share / (sensitivity * share + (1 - specificity) * (1 - share))));
    put("npv", rate(specificity * (1 - share) / (specificity * (1 - share) + (1 - sensitivity) * share)));
    put("words", say(sensitivity, data.fpr[index], share));
    dot("roc", data.fpr[index], sensitivity);
    dot("pr", sensitivity, tp / (tp + fp));
  };
  for (const button of box.querySelectorAll("button")) {
    button.addEventListener("click", () => { step.value = button.dataset.step; show(); });
  }
  prevalence.value = own;
  step.value = data.points.length ? data.points[0].step : Math.floor(data.thresholds.length / 2);
  step.addEventListener("input", show);
  prevalence.addEventListener("input", show);
  box.hidden = false;
  show();
}
// Tables and figures wider than the screen scroll; say so in words and by fading the edge that hides something.
for (const part of document.querySelectorAll(".scroll")) {
  const hint = document.createElement("small");
  hint.className = "hint";
  hint.textContent = "goes on to the right: scroll →";
  part.before(hint);
  const mark = () => {
    hint.hidden = part.scrollWidth <= part.clientWidth + 2;
    part.classList.toggle("cut", part.scrollLeft + part.clientWidth < part.scrollWidth - 2);
  };
  part.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(part);
}
// Paper cannot be clicked: everything folded is printed unfolded, and folded again afterwards.
const folded = [];
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; folded.push(part); }
});
addEventListener("afterprint", () => { for (const part of folded.splice(0)) part.open = false; });
