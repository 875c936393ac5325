#!/usr/bin/env node
// A channel that does what the message says: for the tests of the kit.

import { notSent, SendError, serve } from '../otn.js';

const moods = {
  refused: () => { throw new SendError('refused', 'they blocked us', { scope: 'subscriber', code: 'blocked' }); },
  throttled: () => { throw new SendError('deferred', 'not so fast', { scope: 'channel', code: 'slow', after: 1500 }); },
  'not sent': () => { throw notSent('nobody listens'); },
  invalid: () => { throw new SendError('invalid', 'too long', { code: 'long' }); },
  throws: () => { throw new Error('no'); },
  nothing: () => { throw undefined; },
  mood: () => { throw new SendError('glad', 'an outcome that does not exist'); },
  'a long word': () => { throw new Error('é'.repeat(5000)); },
  prints: () => { console.log('1|1|unix|/nowhere|grpc|'); process.stdout.write('junk\n'); return { providerID: 'm-1' }; },
  hangs: () => new Promise(() => {}),
};

serve({
  name: 'moody', version: '0.1.0', schema: { type: 'object', properties: {} },
  open: () => ({ account: 'acme', send: async (delivery) => moods[delivery.message.text]() }),
});
