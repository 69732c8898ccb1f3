const AMOUNT = "{{ amount }}", MORE = "{{ more }}", LESS = "{{ less }}", DEEPEST = {{ deepest }};
for (const box of document.querySelectorAll(".painted")) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const spans = box.querySelectorAll(".text span");
  box.querySelector("select").addEventListener("change", event => {
    const [signed, values] = data[Number(event.target.value)];
    spans.forEach((span, place) => {
      const value = values[place];
      const colour = !signed ? AMOUNT : value > 0 ? MORE : LESS;
      span.style.background = value ? `rgba(${colour},${DEEPEST * Math.abs(value) / 100})` : "";
    });
  });
}
