// The address of a service as people write it.

/** The port of `happypath dev`. */
const port = 7400;

/**
 * Returns the URL of `https://host`, `http://host:port`, or `host:port`: plain text where that is this machine, and TLS
 * anywhere else. Throws a TypeError for what is no address.
 */
export function urlOf(address: string): string {
  const isUrl = /^[a-z]+:\/\//i.test(address);
  const example = 'write http://127.0.0.1:7400, https://happypath.example or host:port';
  let url: URL;
  try {
    url = new URL(isUrl ? address : `http://${address}`);
  } catch {
    throw new TypeError(`address: ${address} is none: ${example}`);
  }
  if (!/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search || url.username) {
    throw new TypeError(`address: ${address} is none: ${example}`);
  }
  if (isUrl) return url.origin;
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return `${isHere ? 'http' : 'https'}://${url.hostname}:${url.port || (/:80$/.test(address) ? 80 : port)}`;
}
