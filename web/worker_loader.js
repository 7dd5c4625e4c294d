// What the browser starts as the worker: wasm-bindgen's glue, then the module itself. Both lie beside this
// file, wherever the site is put.
importScripts("./worker.js");
wasm_bindgen({ module_or_path: "./worker_bg.wasm" });
