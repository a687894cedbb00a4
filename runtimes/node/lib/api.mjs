// The client's side of the Runtime API: node's own HTTP on one kept-alive connection.
//
// Head and body leave in one write (a body given to end() is joined to the head), without Nagle's delay, and no read
// has a time limit: the process is frozen inside `next`, for as long as nothing happens.

import http from 'node:http';

const PREFIX = '/2018-06-01/runtime/';
const ERROR_JSON = 'application/vnd.aws.lambda.error+json';

export class Api {
  // address: host:port, as in AWS_LAMBDA_RUNTIME_API.
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.host = address.slice(0, colon);
    this.port = Number(address.slice(colon + 1));
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1, noDelay: true });
  }

  // The next event: headers with lower-case names, and its body as a Buffer.
  async next() {
    const { status, headers, body } = await this.send('GET', 'invocation/next');
    if (status !== 200) throw new Error(`GET next was answered with ${status}: ${body}`);
    return { headers, body };
  }

  respond(id, body) {
    return this.post(`invocation/${encodeURIComponent(id)}/response`, body, { 'Content-Type': 'application/json' });
  }

  // failure: what errors.mjs makes of an error.
  fail(path, failure) {
    const type = String(failure.errorType).replace(/[^\x20-\x7e]/g, '?');
    return this.post(path, JSON.stringify(failure), {
      'Content-Type': ERROR_JSON, 'Lambda-Runtime-Function-Error-Type': type,
    });
  }

  // A refusal is logged and no more: with 413 the platform has already answered for us.
  async post(path, body, headers) {
    const { status, body: said } = await this.send('POST', path, Buffer.from(body), headers);
    if (status >= 300) process.stderr.write(`the Runtime API refused ${path} with ${status}: ${String(said).trim()}\n`);
  }

  // A request whose body is written as it comes; `answered` resolves when it has been taken.
  stream(id, headers) {
    const request = this.request('POST', `invocation/${encodeURIComponent(id)}/response`, headers);
    const answered = new Promise((resolve, reject) => {
      request.on('response', (response) => { response.on('end', resolve).resume(); }).on('error', reject);
    });
    answered.catch(() => {});
    return { request, answered };
  }

  request(method, path, headers) {
    return http.request({ agent: this.agent, host: this.host, port: this.port, method, path: PREFIX + path, headers });
  }

  send(method, path, body, headers = {}, again = true) {
    return new Promise((resolve, reject) => {
      const sized = body ? { ...headers, 'Content-Length': body.length } : headers;
      const request = this.request(method, path, sized);
      request.on('response', (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => resolve({
          status: response.statusCode, headers: response.headers, body: parts.length === 1 ? parts[0] : Buffer.concat(parts),
        }));
        response.on('error', reject);
      });
      request.on('error', (error) => {
        // A kept connection may have been closed while nobody looked: then no answer has begun.
        if (again && request.reusedSocket && !request.res) resolve(this.send(method, path, body, headers, false));
        else reject(error);
      });
      request.end(body);
    });
  }
}
