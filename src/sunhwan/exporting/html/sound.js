// Sound: the bytes of a WAV file → log-mel frames, as they are read from the disk in Python.
const RATE = 16000, BANDS = 40, WINDOW = 400, SHIFT = 160, POINTS = 512, EPSILON = 2 ** -23;

// One channel, the mean of all, and its rate: of whole numbers with 8, 16, 24 or 32 bits, or of floats.
function samplesOf(bytes) {
  const view = new DataView(bytes), name = at => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (bytes.byteLength < 44 || name(0) !== "RIFF" || name(8) !== "WAVE") throw { fault: "damaged" };
  let form = null;
  for (let at = 12; at + 8 <= bytes.byteLength; at += 8 + (view.getUint32(at + 4, true) + 1 & ~1)) {
    const kind = name(at), size = Math.min(view.getUint32(at + 4, true), bytes.byteLength - at - 8);
    if (kind === "fmt ") {
      const code = view.getUint16(at + 8, true);
      form = { code: code === 0xfffe ? view.getUint16(at + 32, true) : code, channels: view.getUint16(at + 10, true),
        rate: view.getUint32(at + 12, true), width: view.getUint16(at + 22, true) / 8 };
    }
    if (kind === "data" && form) return { rate: form.rate, samples: channelsMixed(view, at + 8, size, form) };
  }
  throw { fault: "damaged" };
}

function channelsMixed(view, start, size, { code, channels, width }) {
  const of = {
    "1 1": at => (view.getUint8(at) - 128) / 128, "1 2": at => view.getInt16(at, true) / 2 ** 15,
    "1 3": at => (view.getUint16(at, true) | view.getInt8(at + 2) << 16) / 2 ** 23, "1 4": at => view.getInt32(at, true) / 2 ** 31,
    "3 4": at => view.getFloat32(at, true), "3 8": at => view.getFloat64(at, true),
  }[`${code} ${width}`];
  if (!of || !channels) throw { fault: "damaged" };
  const found = new Float32Array(Math.floor(size / width / channels));
  for (let n = 0; n < found.length; n++) {
    for (let c = 0; c < channels; c++) found[n] += of(start + (n * channels + c) * width) / channels;
  }
  return found;
}

// Another rate: a low-pass filter of windowed sincs (Kaiser's window, β = 5), at the places that are asked for.
function resampled(samples, rate) {
  const divisor = (a, b) => b ? divisor(b, a % b) : a, common = divisor(rate, RATE);
  const up = RATE / common, down = rate / common, most = Math.max(up, down), half = 10 * most;
  if (up === down) return samples;
  const bessel = x => { let sum = 1, term = 1; for (let k = 1; k < 40; k++) sum += term *= (x / 2 / k) ** 2; return sum; };
  const tap = n => {
    const x = n / most;
    return (n ? Math.sin(Math.PI * x) / (Math.PI * x) : 1) * bessel(5 * Math.sqrt(1 - (n / half) ** 2));
  };
  const taps = Float64Array.from({ length: 2 * half + 1 }, (_, n) => tap(n - half)), total = taps.reduce((a, b) => a + b, 0);
  return Float32Array.from({ length: Math.ceil(samples.length * up / down) }, (_, m) => {
    let sum = 0;
    for (let k = Math.max(0, Math.ceil((m * down - half) / up)); k < samples.length && k * up <= m * down + half; k++) {
      sum += taps[m * down - k * up + half] * samples[k];
    }
    return sum * up / total;
  });
}

// The powers of a real signal of POINTS values at frequencies 0 … POINTS / 2 − 1 (Cooley and Tukey 1965).
function powers(signal) {
  const even = x => x.filter((_, n) => n % 2 === 0), odd = x => x.filter((_, n) => n % 2);
  const transformed = (re, im) => {
    const N = re.length, a = new Float64Array(N), b = new Float64Array(N);
    if (N === 1) return [re, im];
    const [[p, q], [r, s]] = [transformed(even(re), even(im)), transformed(odd(re), odd(im))];
    for (let k = 0; k < N / 2; k++) {
      const c = Math.cos(2 * Math.PI * k / N), d = -Math.sin(2 * Math.PI * k / N), x = c * r[k] - d * s[k], y = c * s[k] + d * r[k];
      [a[k], b[k], a[k + N / 2], b[k + N / 2]] = [p[k] + x, q[k] + y, p[k] - x, q[k] - y];
    }
    return [a, b];
  };
  const [re, im] = transformed(signal, new Float64Array(signal.length));
  return re.subarray(0, signal.length / 2).map((v, n) => v * v + im[n] * im[n]);
}

// Energies in BANDS triangles on the mel scale, of 25 ms every 10, as Kaldi has them (Povey et al. 2011).
function framesOfSound(bytes) {
  const { samples: given, rate } = samplesOf(bytes);
  if (rate < 1000 || rate > 768000) throw { fault: "damaged" };
  const samples = resampled(given, rate).map(v => v * 32768), mel = f => 1127 * Math.log(1 + f / 700);
  if (samples.length < WINDOW) throw { fault: "short", milliseconds: Math.round(1000 * samples.length / RATE) };
  const low = mel(20), step = (mel(RATE / 2) - low) / (BANDS + 1);
  const bands = Array.from({ length: BANDS }, (_, b) => Float64Array.from({ length: POINTS / 2 }, (_, n) =>
    Math.max(0, 1 - Math.abs(mel(n * RATE / POINTS) - low - (b + 1) * step) / step)));
  const window = Float64Array.from({ length: WINDOW }, (_, n) => (0.5 - 0.5 * Math.cos(2 * Math.PI * n / (WINDOW - 1))) ** 0.85);
  return Array.from({ length: 1 + Math.floor((samples.length - WINDOW) / SHIFT) }, (_, t) => {
    const part = samples.subarray(t * SHIFT, t * SHIFT + WINDOW), mean = part.reduce((a, b) => a + b, 0) / WINDOW;
    const signal = new Float64Array(POINTS), y = n => part[Math.max(n, 0)] - mean;
    for (let n = 0; n < WINDOW; n++) signal[n] = (y(n) - 0.97 * y(n - 1)) * window[n];
    const power = powers(signal);
    return Float32Array.from(bands, band => Math.log(Math.max(band.reduce((sum, w, n) => sum + w * power[n], 0), EPSILON)));
  });
}
