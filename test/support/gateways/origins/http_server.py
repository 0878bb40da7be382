"""An application on http.server, which takes the first of several lines. `python3 http_server.py PORT`"""
import base64
import json
import sys
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def subject_of(token):
    try:
        payload = token.split('.')[1]
        return json.loads(base64.urlsafe_b64decode(payload + '=' * (-len(payload) % 4)))['sub']
    except (IndexError, KeyError, ValueError):
        return None


def session_of(cookies):
    jar = SimpleCookie()
    try:
        jar.load(cookies)
    except CookieError:
        return None
    return subject_of(jar['session'].value) if 'session' in jar else None


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        words = self.headers.get('Authorization', '').split()
        length = self.headers.get('Content-Length', '0')
        view = {
            'bearer': subject_of(words[1]) if len(words) > 1 and words[0].lower() == 'bearer' else None,
            'cookie': session_of(self.headers.get('Cookie', '')),
            'method': self.headers.get('X-HTTP-Method-Override') or self.command,
            'target': self.headers.get('X-Rewrite-URL') or self.headers.get('X-Original-URL') or self.path,
            'subject': self.headers.get('X-Stepgate-Subject', ''),
            'body': self.rfile.read(int(length)).decode() if length.isdigit() else '',
        }
        body = json.dumps(view).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name):
        # A handler for every method.
        if name.startswith('do_'):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
