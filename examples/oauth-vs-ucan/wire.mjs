// Servers on the loopback that write down every request they get, and Alice's browser without a screen.
import http from 'node:http'

/** All requests that arrived anywhere, in order: { from, to, method, path }. */
export class Wire {
  requests = []
  #servers = new Map()

  /** A server with a name; `handle(request, response)` answers. Returns its address. */
  async serve (name, handle) {
    const server = http.createServer((request, response) => {
      const { pathname } = new URL(request.url, 'http://x')
      this.requests.push({ from: request.headers['user-agent'], to: name, method: request.method, path: pathname })
      Promise.resolve(handle(request, response)).catch(error => {
        response.statusCode = 500
        response.end(String(error))
      })
    })
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
    this.#servers.set(name, server)
    return `http://127.0.0.1:${server.address().port}`
  }

  /** Takes a server from the net, as when it is down. */
  async stop (name) {
    const server = this.#servers.get(name)
    this.#servers.delete(name)
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }

  async stopAll () {
    for (const name of [...this.#servers.keys()]) await this.stop(name)
  }

  /** What was requested since the last call. */
  take () {
    return this.requests.splice(0)
  }
}

/** A fetch that says who asks, so that the servers can write it down. */
export const fetchAs = name => (url, options = {}) => {
  const headers = new Headers(options.headers)
  headers.set('user-agent', name)
  return fetch(url, { ...options, headers })
}

export async function body (request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Follows redirects, keeps cookies, and sends the forms that it is shown, with `fields` filled in. */
export class Browser {
  #cookies = new Map()
  #fetch = fetchAs('browser')
  forms = 0

  async visit (start, fields) {
    let next = { url: start, method: 'GET' }
    // Far more steps than any flow here has, so that a circle ends.
    for (let step = 0; step < 30; step++) {
      const { origin } = new URL(next.url)
      const headers = { cookie: [...(this.#cookies.get(origin) ?? new Map())].map(pair => pair.join('=')).join('; ') }
      if (next.body) headers['content-type'] = 'application/x-www-form-urlencoded'
      const response = await this.#fetch(next.url, { method: next.method, body: next.body, headers, redirect: 'manual' })
      this.#keep(origin, response.headers.getSetCookie())
      const location = response.headers.get('location')
      if (location) {
        next = { url: new URL(location, next.url).href, method: 'GET' }
        await response.arrayBuffer()
        continue
      }
      const page = await response.text()
      const form = page.match(/<form[^>]*action="([^"]+)"[^>]*method="post"/)
      if (!form) return { status: response.status, page }
      this.forms += 1
      next = { url: new URL(form[1], next.url).href, method: 'POST', body: fill(page, fields) }
    }
    throw new Error('the browser is sent around in a circle')
  }

  #keep (origin, cookies) {
    const jar = this.#cookies.get(origin) ?? new Map()
    this.#cookies.set(origin, jar)
    for (const cookie of cookies) {
      const [pair] = cookie.split(';')
      const at = pair.indexOf('=')
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
  }
}

function fill (page, fields) {
  const filled = new URLSearchParams()
  for (const [input] of page.matchAll(/<input[^>]*>/g)) {
    const name = input.match(/name="([^"]+)"/)?.[1]
    if (name) filled.set(name, fields[name] ?? input.match(/value="([^"]*)"/)?.[1] ?? '')
  }
  return filled.toString()
}
