"""Carriers of the hand-off: one behaviour (`foundation.mailbox.Carrier`), in process or over MQTT."""
