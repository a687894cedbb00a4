// The errors that the client finds, and what an error looks like when it is posted.

import { types } from 'node:util';

class Fault extends Error {
  get name() { return `Runtime.${this.constructor.name}`; }
}

export class ImportModuleError extends Fault {}
export class HandlerNotFound extends Fault {}
export class MalformedHandlerName extends Fault {}
export class UserCodeSyntaxError extends Fault {}
export class MalformedStreamingHandler extends Fault {}
export class InvalidStreamingOperation extends Fault {}
export class CallbackHandlerDeprecated extends Fault {}

export class UnhandledPromiseRejection extends Fault {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}

// {errorType, errorMessage, trace}: what is posted.
export function described(error) {
  try {
    if (types.isNativeError(error) || looksLikeOne(error)) {
      return { errorType: error.name, errorMessage: error.message, trace: error.stack.split('\n') };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

function looksLikeOne(error) {
  return Boolean(error) && [error.name, error.message, error.stack].every((text) => typeof text === 'string' && text !== '');
}

// The same for a log line: with a system error's code and whatever else was hung on it.
export function logged(error) {
  const whole = (key, value) => (value instanceof Error
    ? {
      errorType: value.name,
      errorMessage: value.message,
      code: value.code,
      ...value,
      stack: typeof value.stack === 'string' ? value.stack.split('\n') : undefined,
    }
    : value);
  try {
    return JSON.stringify(error, whole);
  } catch {
    return JSON.stringify(described(error));
  }
}
