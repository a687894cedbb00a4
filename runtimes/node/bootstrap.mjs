// Runs a node function of AWS's managed runtimes: loads the handler once, then event in, answer out, for ever.
//
// What a function can see of it (context, errors, log lines, exit codes) is as AWS's own client has it; how it gets
// there is ours. The parts lie in lib/.

import { Api } from './lib/api.mjs';
import { find, isStreaming, streams } from './lib/handler.mjs';
import { patchConsole, report } from './lib/log.mjs';
import { Loop } from './lib/loop.mjs';
import { UnhandledPromiseRejection, described } from './lib/errors.mjs';

const FAILED = { uncaughtException: 129, unhandledRejection: 128 };

patchConsole();
globalThis.awslambda = streams;
const api = new Api(process.env.AWS_LAMBDA_RUNTIME_API);
const loop = new Loop(api);

// An error that nobody caught is this invocation's, or the init's, and ends the process.
async function end(error, status) {
  loop.out?.destroy();
  try {
    await (loop.requestId ? api.fail(`invocation/${loop.requestId}/error`, described(error)) : api.fail('init/error', described(error)));
  } finally {
    process.exit(status);
  }
}

process.on('uncaughtException', (error) => {
  report('Uncaught Exception', error);
  end(error, FAILED.uncaughtException);
});
process.on('unhandledRejection', (reason, promise) => {
  const error = new UnhandledPromiseRejection(reason, promise);
  report('Unhandled Promise Rejection', error);
  end(error, FAILED.unhandledRejection);
});
process.on('beforeExit', () => loop.idle());

try {
  const handler = await find(process.env.LAMBDA_TASK_ROOT || '/var/task', process.env._HANDLER || '');
  loop.run(handler, isStreaming(handler));
} catch (error) {
  process.emit('uncaughtException', error);
}
