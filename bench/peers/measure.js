// What the peers' pages share. A peer trains the model of `cargo xtask bench`: GPT-2 with learned positions, layer
// norms before each part, GELU, a head tied to the embedding; cross-entropy over random tokens; Adam at 1e-3 in f32.

export const LEARNING_RATE = 1e-3, BETA1 = 0.9, BETA2 = 0.999, EPSILON = 1e-8, DEVIATION = 0.02;

// Batches that are made before the clock starts: data is no part of what is compared.
export const BATCHES = 8;

export const randomTokens = (count, vocabulary) =>
  Int32Array.from({ length: count }, () => Math.floor(Math.random() * vocabulary));

// Times `peer.step()`, one step at a time. `peer.settle()` waits until it is done, `peer.loss()` reads the last loss.
// The first two steps, in which peers compile, are not timed.
export async function measure(peer, steps) {
  peer.step();
  const firstLoss = await peer.loss();
  peer.step();
  await peer.settle();
  const times = [];
  for (let n = 0; n < steps; n++) {
    const start = performance.now();
    peer.step();
    await peer.settle();
    times.push(performance.now() - start);
  }
  const msPerStep = times.sort((a, b) => a - b)[times.length >> 1];
  return {
    params: peer.params,
    msPerStep,
    tokensPerSecond: (peer.tokens / msPerStep) * 1e3,
    firstLoss,
    lastLoss: await peer.loss(),
  };
}
