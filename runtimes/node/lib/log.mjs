// console as functions of the managed runtimes know it: a line is time, request, level and message, or a JSON object.
//
// Lines of one message end in carriage returns, so that it stays one event.

import { format } from 'node:util';
import { logged } from './errors.mjs';

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const METHODS = {
  trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL',
};

export const current = { requestId: undefined, tenantId: undefined };
const asJson = (process.env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';

export function patchConsole() {
  const least = Math.max(0, LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()));
  for (const [method, level] of Object.entries(METHODS)) {
    const silent = LEVELS.indexOf(level) < least && level !== 'FATAL';
    console[method] = silent ? () => {} : (...parts) => write(level, parts);
  }
}

// An error that the client itself has to tell of.
export function report(title, error) {
  const whole = error instanceof Error ? error : new Error(error);
  if (asJson) console.error(whole);
  else console.error(title, `\t${logged(whole)}`);
}

function write(level, parts) {
  const time = new Date().toISOString();
  const line = asJson ? object(time, level, parts) : `${time}\t${current.requestId}\t${level}\t${format(...parts)}`;
  process.stdout.write(`${line.replace(/\n/g, '\r')}\n`);
}

function object(timestamp, level, parts) {
  const line = { timestamp, level, requestId: current.requestId };
  if (current.tenantId != null) line.tenantId = current.tenantId;
  if (parts.length === 1) {
    try {
      return JSON.stringify({ ...line, message: parts[0] }, (key, value) => (value instanceof Error ? { ...fields(value), ...value } : value));
    } catch {
      return JSON.stringify({ ...line, message: format(parts[0]) });
    }
  }
  const error = parts.find((part) => part instanceof Error);
  return JSON.stringify({ ...line, message: format(...parts), ...(error ? fields(error) : {}) });
}

function fields(error) {
  const stack = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  return { errorType: error.constructor?.name ?? 'UnknownError', errorMessage: error.message, stackTrace: stack };
}
