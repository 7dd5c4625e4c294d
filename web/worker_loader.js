// What the browser starts as the worker: wasm-bindgen's glue, then the module itself. Both lie beside this
// file, wherever the site is put. The module comes in two builds: with fused multiply-adds where the browser
// knows relaxed SIMD, else with plain 128-bit vectors (`?simd128` asks for those).
const RELAXED = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, // (func (param v128 v128 v128) (result v128)
  10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11, // f32x4.relaxed_madd)
]);
const relaxed = !self.location.search.includes("simd128") && WebAssembly.validate(RELAXED);
const name = relaxed ? "worker_relaxed" : "worker";
importScripts(`./${name}.js`);
// A promise that fails stays in here; an error thrown by a timer reaches the page, which waits for the worker.
wasm_bindgen({ module_or_path: `./${name}_bg.wasm` }).catch((error) => setTimeout(() => { throw error; }));
