// Of all tokens but those in `never` the likeliest, or above temperature 0 one drawn at random.
function chosen(logits, never, temperature) {
  let best = -1;
  for (let n = 0; n < logits.length; n++) if (!never.has(n) && (best < 0 || logits[n] > logits[best])) best = n;
  if (temperature <= 0) return best;
  let total = 0;
  const shares = logits.map((v, n) => never.has(n) ? 0 : Math.exp((v - logits[best]) / temperature));
  for (const share of shares) total += share;
  let left = Math.random() * total;
  for (let n = 0; n < shares.length; n++) if ((left -= shares[n]) < 0) return n;
  return best;
}
