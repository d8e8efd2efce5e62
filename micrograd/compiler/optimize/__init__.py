"""Rewrite a program into a cheaper one."""
