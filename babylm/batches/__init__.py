"""What training reads: the token stream, the plan over it, and how rows reach the device."""
