"""The sandbox: partners as real HTTP and SMTP servers, in one process of their own.

They behave as partners do: they answer, call back through the gateway, and can be made to fail.
"""
