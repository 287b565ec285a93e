// Node for Windows loads this file under Wine 8, whose sockets have no keep-alive time. Without it
// `fetch`, which sets that time, cannot connect.

require('node:net').Socket.prototype.setKeepAlive = function () {
  return this
}
