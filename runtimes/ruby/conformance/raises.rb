raise 'cannot start'
