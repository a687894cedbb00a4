// Finding the handler that a name means, and what a function may say of it (globalThis.awslambda).

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  CallbackHandlerDeprecated, HandlerNotFound, ImportModuleError, MalformedHandlerName, MalformedStreamingHandler,
  UserCodeSyntaxError,
} from './errors.mjs';

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const PRELUDE = 'application/vnd.awslambda.http-integration-response';
const require = createRequire(import.meta.url);

export const streams = {
  // Marks a handler as (event, stream, context).
  streamifyResponse(handler) {
    handler[STREAMING] = 'response';
    return handler;
  },
  // A stream that begins with status, headers and cookies, for function URLs.
  HttpResponseStream: class {
    static from(stream, metadata) {
      stream.setContentType(PRELUDE);
      stream.prelude = Buffer.concat([Buffer.from(JSON.stringify(metadata)), Buffer.alloc(8)]);
      return stream;
    }
  },
};

export function isStreaming(handler) {
  if (handler[STREAMING] == null || handler[STREAMING] === false) return false;
  if (handler[STREAMING] === 'response') return true;
  throw new MalformedStreamingHandler('Only response streaming is supported.');
}

// "folder/module.exported.name": split at the first dot of the last part of the path.
export async function find(root, name) {
  if (name.includes('..')) {
    throw new MalformedHandlerName(`'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const file = path.basename(name);
  const [, module, exported] = /^([^.]*)\.(.*)$/.exec(file) || [];
  if (module === undefined) throw new MalformedHandlerName('Bad handler');
  const folder = path.resolve(root, name.slice(0, name.length - file.length));
  const found = exported.split('.').reduce((inside, key) => inside && inside[key], await load(root, folder, module));
  if (!found) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof found !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  // From node 24 on Lambda calls no handler that wants a callback.
  if (Number(process.versions.node.split('.')[0]) >= 24 && !isStreaming(found) && found.length >= 3) {
    throw new CallbackHandlerDeprecated('AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You will need to modify this function to use a supported handler signature to use Node.js 24 or later.');
  }
  return found;
}

async function load(root, folder, module) {
  try {
    const file = path.join(folder, module);
    const modern = isModule(file);
    if (fs.existsSync(file) && fs.statSync(file).isFile()) return require(file);
    if (fs.existsSync(`${file}.js`)) return await (modern ? bring(`${file}.js`) : require(`${file}.js`));
    if (fs.existsSync(`${file}.mjs`)) return await bring(`${file}.mjs`);
    if (fs.existsSync(`${file}.cjs`)) return require(`${file}.cjs`);
    return require(require.resolve(module, { paths: [root, folder] }));
  } catch (error) {
    if (error instanceof SyntaxError) throw caused(UserCodeSyntaxError, error);
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') throw caused(ImportModuleError, error);
    throw error;
  }
}

const bring = (file) => import(pathToFileURL(file).href);

// The text is the original error's with its name; so is the trace, which says where.
function caused(Kind, error) {
  const made = new Kind(error);
  if (error.stack) made.stack = `${made.name}: ${error.stack}`;
  return made;
}

// Whether the nearest package.json makes a .js file a module.
function isModule(file) {
  for (let folder = path.dirname(file); !folder.endsWith('/node_modules'); folder = path.dirname(folder)) {
    const described = path.join(folder, 'package.json');
    if (fs.existsSync(described)) {
      try {
        return JSON.parse(fs.readFileSync(described, 'utf8')).type === 'module';
      } catch (error) {
        console.warn(`${described} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (folder === path.dirname(folder)) return false;
  }
  return false;
}
