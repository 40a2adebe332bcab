"""What is said between the server and its clients: bodies, answers and errors, as both have them.

What is kept (`stoker.tasks.model`) and what is shown (`stoker.engine.view`) goes over the wire
as it is; here is what beside is asked and answered. Nothing here needs the server's libraries.
"""
