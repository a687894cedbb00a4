// Runs once per execution environment: import modules and open connections up here.

export const handle = async (event, context) => {
  // From the function URL (…?name=you) or from a plain event ({"name": "you"}).
  const name = event.queryStringParameters?.name ?? event.name ?? 'world';
  console.log('hello to', name);

  // Becomes the JSON answer; a function URL sends it with status 200. For another status or other headers return
  // { statusCode: 404, headers: { 'content-type': 'text/plain' }, body: 'not here' }.
  return { message: `Hello, ${name}`, function: context.functionName, version: context.functionVersion };
};
