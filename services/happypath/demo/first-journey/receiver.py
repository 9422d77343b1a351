"""Prints what webhooks post to http://127.0.0.1:9000/. For a first look; it does not check signatures."""
import http.server
import json


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        print(self.headers["webhook-id"], json.dumps(json.loads(body), indent=2), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", 9000), Receiver).serve_forever()
