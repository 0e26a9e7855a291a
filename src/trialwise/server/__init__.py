"""`trialwise serve`: one parent that owns the store, and collector children that share its listening socket.

parent     claims the workspace, binds, carries out commands and the schedule, starts and restarts the children
child      one collector: its own landing sink, its own event loop; ends with the parent
binding    where it listens, and who may be let in there
metrics    counters of all children, and what is measured when somebody asks
health     whether a child can make events durable now
state      what the parent tells its children, and through them the world
"""
