"""What third parties use to hear a broker: settings, a connection, messages as people read them."""
