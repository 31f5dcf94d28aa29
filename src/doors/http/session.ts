// The page's session: a single-use code for a cookie, and back.

import { PolityError } from '../../kernel/errors.ts'
import { SESSION_VALID_MS } from '../../kernel/identity/identity.ts'
import { Closed, Type, validate } from '../../kernel/schema/schema.ts'
import { credentialsOf, requireOwnOrigin, SESSION_COOKIE } from './authentication.ts'
import type { HttpRequest, Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

const SignIn = Closed({ code: Type.String({ minLength: 1, maxLength: 4096 }) })
const BODY_SIZE_MAX_BYTES = 8192

export const sessionRoutes = ({ identity }: Pick<ServedHub, 'identity'>): Route[] => [
  {
    method: 'POST',
    path: '/v1/session',
    class: 'session',
    access: 'open',
    bodySizeMaxBytes: BODY_SIZE_MAX_BYTES,
    docs: [
      {
        operationId: 'session.open',
        summary: 'Exchanges a single-use sign-in code for a session cookie.',
        tag: 'session',
        body: { schema: SignIn, isRequired: true },
        answers: { 204: { description: 'Signed in.', headers: ['Set-Cookie'] } },
        errors: ['auth.invalid', 'auth.expired', 'auth.origin', 'input.invalid'],
      },
    ],
    handle: async (request) => {
      // Another site must not sign a browser in under a name of its choice.
      requireOwnOrigin(request.headers, false)
      const { code } = validate(SignIn, request.body, 'the body')
      const { secret } = await identity.signIn(code)
      return {
        status: 204,
        headers: {
          'set-cookie': cookie(request, secret, SESSION_VALID_MS / 1000),
          'cache-control': 'no-store',
        },
      }
    },
  },
  {
    method: 'DELETE',
    path: '/v1/session',
    class: 'session',
    access: 'principal',
    docs: [
      {
        operationId: 'session.close',
        summary: 'Ends the session of the cookie.',
        tag: 'session',
        answers: { 204: { description: 'Signed out.', headers: ['Set-Cookie'] } },
        errors: ['input.invalid'],
      },
    ],
    handle: async (request) => {
      const credentials = credentialsOf(request.headers)
      if (credentials?.kind !== 'session')
        throw new PolityError(
          'input.invalid',
          'this request came with a token, which is no session: revoke it with token.revoke',
        )
      await identity.signOut(credentials.secret)
      return { status: 204, headers: { 'set-cookie': cookie(request, '', 0), 'cache-control': 'no-store' } }
    },
  },
]

/** RFC 6265. A browser that came by https (through a proxy) says so in its Origin. */
function cookie({ headers }: HttpRequest, secret: string, lifeSeconds: number): string {
  const isHttps = headers.origin?.startsWith('https:') ?? false
  return `${SESSION_COOKIE}=${secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${lifeSeconds}${isHttps ? '; Secure' : ''}`
}
