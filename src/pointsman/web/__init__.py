"""How people see it: pages, forms and templates, rendered whole on the server."""
