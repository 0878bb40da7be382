"""An application behind wsgiref, which reads its headers as CGI variables. `python3 wsgi.py PORT`"""
import base64
import json
import sys
from http.cookies import CookieError, SimpleCookie
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


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


def application(environ, start_response):
    words = environ.get('HTTP_AUTHORIZATION', '').split()
    length = environ.get('CONTENT_LENGTH') or '0'
    view = {
        'bearer': subject_of(words[1]) if len(words) > 1 and words[0].lower() == 'bearer' else None,
        'cookie': session_of(environ.get('HTTP_COOKIE', '')),
        'method': environ.get('HTTP_X_HTTP_METHOD_OVERRIDE') or environ['REQUEST_METHOD'],
        'target': environ.get('HTTP_X_REWRITE_URL') or environ.get('HTTP_X_ORIGINAL_URL') or environ['RAW_TARGET'],
        'subject': environ.get('HTTP_X_STEPGATE_SUBJECT', ''),
        'body': environ['wsgi.input'].read(int(length)).decode() if length.isdigit() else '',
    }
    start_response('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps(view).encode()]


class Handler(WSGIRequestHandler):
    def get_environ(self):
        return {**super().get_environ(), 'RAW_TARGET': self.path}

    def log_message(self, *_):
        pass


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


make_server('127.0.0.1', int(sys.argv[1]), application, Server, Handler).serve_forever()
