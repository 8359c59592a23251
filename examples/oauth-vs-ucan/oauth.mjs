// The OAuth 2.0 way: an authorisation server (oidc-provider), a photo server that asks it about every token, and a print shop
// that is its registered client (oauth4webapi): authorisation code with PKCE (RFC 6749, RFC 7636, RFC 7662, RFC 7009).
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Browser, Wire, fetchAs } from './wire.mjs'

export async function oauth (tools, photos) {
  const load = path => import(pathToFileURL(join(tools, 'node_modules', path)))
  const { Provider } = await load('oidc-provider/lib/index.js')
  const lib = await load('oauth4webapi/build/index.js')
  const wire = new Wire()
  const told = {}

  // Whoever runs these knows one another from before: clients are registered, and have secrets.
  const secrets = { 'print-shop': randomBytes(32).toString('hex'), 'photo-server': randomBytes(32).toString('hex') }
  let shop, handleAuthority
  const issuer = await wire.serve('authority', (request, response) => handleAuthority(request, response))
  const photoServer = await wire.serve('photo-server', (...both) => servePhotos(...both))
  shop = await wire.serve('print-shop', (...both) => serveShop(...both))
  handleAuthority = authority(Provider, issuer, shop, secrets).callback()

  /** What a party knows of the authority, fetched once. */
  const party = id => {
    const options = { [lib.customFetch]: fetchAs(id), [lib.allowInsecureRequests]: true }
    const client = { client_id: id }
    const auth = lib.ClientSecretBasic(secrets[id])
    let found
    const server = () => (found ??= lib.discoveryRequest(new URL(issuer), options)
      .then(response => lib.processDiscoveryResponse(new URL(issuer), response)))
    return { options, client, auth, server }
  }
  const [asShop, asPhotos] = [party('print-shop'), party('photo-server')]

  async function servePhotos (request, response) {
    const token = request.headers.authorization?.replace(/^Bearer /i, '') ?? ''
    let claims
    try {
      const server = await asPhotos.server()
      const answer = await lib.introspectionRequest(server, asPhotos.client, asPhotos.auth, token, asPhotos.options)
      claims = await lib.processIntrospectionResponse(server, asPhotos.client, answer)
    } catch (error) {
      response.statusCode = 503 // it cannot tell without the authority
      return response.end(`cannot ask the authority: ${error.cause?.code ?? error.message}`)
    }
    const scopes = claims.scope?.split(' ') ?? []
    if (!claims.active || !scopes.includes('photos:read') || claims.sub !== 'alice') {
      response.statusCode = 401
      response.setHeader('www-authenticate', 'Bearer error="invalid_token"')
      return response.end('the token does not count')
    }
    const name = request.url.split('/').pop()
    if (!photos[name]) {
      response.statusCode = 404
      return response.end('no such photo')
    }
    response.end(await readFile(photos[name]))
  }

  // The print shop: Alice starts at /print and comes back to /callback.
  const orders = new Map()
  let token
  async function serveShop (request, response) {
    const url = new URL(request.url, shop)
    const server = await asShop.server()
    if (url.pathname === '/print') {
      const [state, verifier] = [lib.generateRandomState(), lib.generateRandomCodeVerifier()]
      orders.set(state, { verifier, photo: url.searchParams.get('photo') })
      const to = new URL(server.authorization_endpoint)
      to.search = new URLSearchParams({
        client_id: 'print-shop', redirect_uri: `${shop}/callback`, response_type: 'code', scope: 'photos:read', state,
        code_challenge: await lib.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256'
      })
      response.writeHead(302, { location: to.href })
      return response.end()
    }
    const { verifier, photo } = orders.get(url.searchParams.get('state'))
    const parameters = lib.validateAuthResponse(server, asShop.client, url, url.searchParams.get('state'))
    const answer = await lib.authorizationCodeGrantRequest(server, asShop.client, asShop.auth, parameters,
      `${shop}/callback`, verifier, asShop.options)
    token = (await lib.processAuthorizationCodeResponse(server, asShop.client, answer)).access_token
    const got = await read(photo)
    told.printed = got.bytes
    response.end(`printing ${photo}, ${got.bytes.length} bytes`)
  }

  async function read (photo, bearer = token) {
    const url = new URL(`${photoServer}/photos/${photo}`)
    try {
      const response = await lib.protectedResourceRequest(bearer, 'GET', url, new Headers(), null, asShop.options)
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
    } catch (error) {
      // The library throws where the server names what is wrong with the token.
      if (!error.status) throw error
      return { status: error.status, bytes: Buffer.alloc(0) }
    }
  }

  const browser = new Browser()
  const page = await browser.visit(`${shop}/print?photo=lake.jpg`, { login: 'alice', password: 'any' })
  if (page.status !== 200) throw new Error(`the print shop answered ${page.status}: ${page.page}`)
  told.forms = browser.forms
  told.first = wire.take()
  told.again = { ...await read('lake.jpg'), requests: wire.take() }
  told.altered = { ...await read('lake.jpg', token.replace(/.$/, last => last === 'A' ? 'B' : 'A')), requests: wire.take() }
  told.other = { ...await read('city.jpg'), requests: wire.take() }

  const server = await asShop.server()
  await lib.processRevocationResponse(await lib.revocationRequest(server, asShop.client, asShop.auth, token, asShop.options))
  told.revoking = wire.take()
  told.revoked = { ...await read('lake.jpg'), requests: wire.take() }

  // The same once more up to a token that counts; then the authority is down.
  await new Browser().visit(`${shop}/print?photo=lake.jpg`, { login: 'alice', password: 'any' })
  if ((await read('lake.jpg')).status !== 200) throw new Error('the second token does not count')
  await wire.stop('authority')
  wire.take()
  told.down = { ...await read('lake.jpg'), requests: wire.take() }
  await wire.stopAll()
  return told
}

function authority (Provider, issuer, shop, secrets) {
  return new Provider(issuer, {
    clients: [{
      client_id: 'print-shop', client_secret: secrets['print-shop'], redirect_uris: [`${shop}/callback`],
      grant_types: ['authorization_code'], response_types: ['code'], scope: 'photos:read'
    }, {
      client_id: 'photo-server', client_secret: secrets['photo-server'], redirect_uris: [], grant_types: [], response_types: []
    }],
    scopes: ['photos:read'],
    findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    pkce: { required: () => true },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    ttl: { Interaction: 600, Session: 3600, Grant: 3600, AccessToken: 3600 }, // seconds
    features: {
      devInteractions: { enabled: true }, // its own pages for login and consent
      introspection: { enabled: true, allowedPolicy: (context, client) => client.clientId === 'photo-server' },
      revocation: { enabled: true, allowedPolicy: (context, client, token) => client.clientId === token.clientId }
    }
  })
}
