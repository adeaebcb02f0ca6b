"""The plugins that come with fastnn, importable as fastnn.plugins: one file each, the same door as
everybody."""
