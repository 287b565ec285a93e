// Loaded by Node for Windows under Wine 8, whose sockets have no keep-alive time. `fetch` sets it, and
// then libuv cannot connect.

require('node:net').Socket.prototype.setKeepAlive = function () {
  return this
}
