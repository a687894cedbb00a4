// One event after the other, for handlers that return promises, call back, or stream.
//
// An invocation that called back ends when nothing is left to do (unless callbackWaitsForEmptyEventLoop is false), and
// one that never does ends with null then: node tells it by `beforeExit`, which is `idle` here. The kept connection to
// the Runtime API does not count, as node leaves idle connections out of account.

import { InvalidStreamingOperation, described } from './errors.mjs';
import { current, report } from './log.mjs';

const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';
const JSON_HEADERS = { clientContext: 'lambda-runtime-client-context', identity: 'lambda-runtime-cognito-identity' };

export class Loop {
  constructor(api) {
    this.api = api;
    this.requestId = undefined;
    this.whenIdle = () => {};
  }

  idle() {
    this.whenIdle();
  }

  async run(handler, streaming) {
    for (;;) {
      const { headers, body } = await this.api.next();
      this.begin(headers);
      if (streaming) await this.stream(handler, headers, body);
      else await this.answer(handler, headers, body);
    }
  }

  begin(headers) {
    this.requestId = headers['lambda-runtime-aws-request-id'];
    current.requestId = this.requestId;
    current.tenantId = headers['lambda-runtime-aws-tenant-id'];
    const trace = headers['lambda-runtime-trace-id'];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
  }

  // Resolves when the event has been answered.
  async answer(handler, headers, body) {
    const [failed, result] = await new Promise((resolve) => this.call(handler, headers, body, resolve));
    this.whenIdle = () => {};
    const text = failed ? undefined : encoded(result);
    if (failed) await this.fail(result);
    else if (text === undefined) await this.fail(new Error('Unable to stringify response body'));
    else await this.api.respond(this.requestId, text);
  }

  async fail(error) {
    report('Invoke Error', error);
    await this.api.fail(`invocation/${this.requestId}/error`, described(error));
  }

  // `resolve` takes [failed, result] once.
  call(handler, headers, body, resolve) {
    let waits = true;
    const done = (error, result) => resolve(error === undefined || error === null ? [false, result] : [true, error]);
    const context = {
      get callbackWaitsForEmptyEventLoop() { return waits; },
      set callbackWaitsForEmptyEventLoop(value) { waits = value; },
      done,
      succeed: (result) => done(null, result),
      fail: (error) => done(error ?? 'handled'),
    };
    let called = false; // the first call counts
    const callback = (error, result) => {
      if (called) return;
      called = true;
      if (waits && (error === undefined || error === null)) this.whenIdle = () => done(null, result);
      else done(error, result);
    };
    this.whenIdle = () => done(null, null);
    try {
      const returned = handler(JSON.parse(body), Object.assign(context, about(headers)), callback);
      if (typeof returned?.then === 'function') {
        // As long as a promise is under way, an idle process has nothing more to come: that is a null too.
        returned.then(context.succeed, context.fail);
      }
    } catch (error) {
      done(error);
    }
  }

  async stream(handler, headers, body) {
    const out = this.open();
    this.out = out.stream;
    this.whenIdle = () => {};
    try {
      const returned = handler(JSON.parse(body), out.stream, about(headers));
      if (typeof returned?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
      if (await returned !== undefined) console.warn('Streaming handlers ignore return values.');
      if (!out.stream.writableEnded) throw new Error('Response stream is not finished.');
    } catch (error) {
      report('Invoke Error', error);
      out.fail(error);
    }
    await out.answered;
    this.out = undefined;
  }

  // A Writable for the handler: node's own request, with what AWS's client adds to it.
  open() {
    const { request: stream, answered } = this.api.stream(this.requestId, {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      Trailer: `${ERROR_TYPE}, ${ERROR_BODY}`,
      'Content-Type': 'application/octet-stream',
    });
    const write = stream.write.bind(stream);
    const end = stream.end.bind(stream);
    let begun = false;
    const begin = () => {
      if (!begun && stream.prelude) write(stream.prelude);
      begun = true;
    };
    stream.setContentType = (type) => {
      if (begun) throw new InvalidStreamingOperation('Cannot set content-type, too late.');
      stream.setHeader('Content-Type', type);
    };
    stream.write = (chunk, ...rest) => {
      begin();
      const bytes = typeof chunk === 'string' || chunk instanceof Uint8Array;
      return write(bytes ? chunk : JSON.stringify(chunk), ...rest);
    };
    stream.end = (chunk, ...rest) => {
      if (typeof chunk === 'function' || chunk === undefined || chunk === null) {
        begin();
        return end(...(typeof chunk === 'function' ? [chunk] : rest));
      }
      stream.write(chunk);
      return end(...rest.filter((part) => typeof part === 'function'));
    };
    const fail = (error) => {
      const failure = described(error);
      stream.addTrailers({
        [ERROR_TYPE]: String(failure.errorType).replace(/[^\x20-\x7e]/g, '?'),
        [ERROR_BODY]: Buffer.from(JSON.stringify(failure)).toString('base64'),
      });
      end();
    };
    return { stream, answered, fail };
  }
}

// JSON, or undefined where the result cannot be that.
function encoded(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    return undefined;
  }
}

// What a handler may ask about its invocation.
function about(headers) {
  const { env } = process;
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const decoded = Object.entries(JSON_HEADERS).map(([name, header]) => {
    if (headers[header] === undefined) return [name, undefined];
    try {
      return [name, JSON.parse(headers[header])];
    } catch (error) {
      throw new Error(`Cannot parse ${name[0].toUpperCase()}${name.slice(1)} as json: ${error}`);
    }
  });
  return {
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    ...Object.fromEntries(decoded),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}
