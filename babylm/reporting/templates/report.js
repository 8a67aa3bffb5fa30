// Saves a chart as it is drawn: SVG as text, PNG at three times its size on white. Colours fall back to the light theme.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-save]");
  if (!link) return;
  event.preventDefault();
  const axes = [...link.closest("figure").querySelectorAll(".axis")];
  const svg = axes.find((axis) => axis.offsetParent !== null).querySelector("svg");
  const text = new XMLSerializer().serializeToString(svg);
  const image = new Image();
  const give = (href) => Object.assign(document.createElement("a"), { href, download: link.dataset.save }).click();
  const source = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  if (link.dataset.save.endsWith(".svg")) return give(source);
  const { width, height } = svg.viewBox.baseVal;
  image.onload = () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 3 * width, height: 3 * height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    give(canvas.toDataURL("image/png"));
  };
  image.src = source;
});
