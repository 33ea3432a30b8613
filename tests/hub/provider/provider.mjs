// A real OpenID Connect provider with people of its own, whose last words can be twisted to test the hub.
// usage: node provider.mjs FOLDER-OF-NODE_MODULES CALLBACK SECRET, with {person: claims} on standard input
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const [folder, callback, secret] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { Provider } = require('oidc-provider');
const jose = require('jose');
const people = JSON.parse(readFileSync(0, 'utf-8'));

async function keyPair(number) {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  return { privateKey, jwk: { ...(await jose.exportJWK(privateKey)), kid: number, alg: 'RS256', use: 'sig' } };
}

const own = await keyPair('one');
const foreign = await keyPair('one');
const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'sandbox', client_secret: secret, redirect_uris: [callback],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  clientAuthMethods: ['client_secret_basic'],
  jwks: { keys: [own.jwk] },
  cookies: { keys: [secret] },
  claims: { openid: ['sub'], profile: ['name'], groups: ['groups'], email: ['email', 'email_verified'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});

const sign = (claims, key = own.privateKey, header = { alg: 'RS256', kid: 'one' }) =>
  new jose.SignJWT(claims).setProtectedHeader(header).sign(key);
const unsigned = (claims) => new jose.UnsecuredJWT(claims).encode();
const shared = (claims) =>
  new jose.SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret.padEnd(32)));
const twists = {
  'signed by another': (claims) => sign(claims, foreign.privateKey),
  'signed by an unknown key': (claims) => sign(claims, foreign.privateKey, { alg: 'RS256', kid: 'two' }),
  'signed by nobody': unsigned,
  'signed with the secret': shared,
  'of another issuer': (claims) => sign({ ...claims, iss: 'https://elsewhere.example' }),
  'for another audience': (claims) => sign({ ...claims, aud: 'elsewhere' }),
  'for several, handed to another': (claims) => sign({ ...claims, aud: ['sandbox', 'x'], azp: 'x' }),
  'for several, handed to nobody': (claims) => sign({ ...claims, aud: ['sandbox', 'x'] }),
  'out of time': (claims) => sign({ ...claims, exp: claims.iat - 3600 }),
  'without an end': ({ exp, ...claims }) => sign(claims),
  'about another': (claims) => sign({ ...claims, sub: 'zhao' }),
  'as it is, signed again': sign,
  'missing': () => undefined,
  'no token': () => 'no.token',
};
let twist;
provider.use(async (ctx, next) => {
  if (ctx.path === '/twist') {
    twist = twists[ctx.query.how];
    ctx.body = Object.keys(twists);
    return;
  }
  if (ctx.path === '/change') {
    people[ctx.query.person] = JSON.parse(ctx.query.claims);
    ctx.status = 204;
    return;
  }
  await next();
  if (ctx.path === '/token' && twist && ctx.body?.id_token) {
    ctx.body.id_token = await twist(jose.decodeJwt(ctx.body.id_token));
  }
});
server.on('request', provider.callback());
console.log(issuer);
